import { describe, expect, it } from 'vitest'
import {
  type CertificateManager,
  type CertificateManagerOptions,
  createCertificateManager
} from './certificate-manager.ts'
import { createManualClock, type ManualClock } from '@culvert/clock/testing'
import { CertificateError } from './errors.ts'
import type { WorkloadCertificate } from './workload-certificate.ts'

const hour = 60 * 60_000
const identity = 'spiffe://acme.test/ns/shop/sa/cart'

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A CA that answers when the test lets it. */
function setUp(options: Partial<CertificateManagerOptions> = {}): {
  clock: ManualClock
  manager: CertificateManager
  calls: { identity: string; at: number; answer: (result: WorkloadCertificate | Error) => Promise<void> }[]
} {
  const clock = createManualClock(Date.UTC(2026, 0, 1, 10))
  const calls: ReturnType<typeof setUp>['calls'] = []
  const manager = createCertificateManager({
    clock,
    random: () => 0.5,
    fetch: name =>
      new Promise((resolve, reject) => {
        const answer = async (result: WorkloadCertificate | Error): Promise<void> => {
          if (result instanceof Error) reject(result)
          else resolve(result)
          await settle()
        }
        calls.push({ identity: name, at: clock.now(), answer })
      }),
    ...options
  })
  return { clock, manager, calls }
}

function certificate(from: number, lifetime: number, id = 'a'): WorkloadCertificate {
  return {
    id,
    privateKey: '',
    certificateChain: [],
    roots: [],
    notBefore: new Date(from),
    notAfter: new Date(from + lifetime)
  }
}

const down = new CertificateError('CERTIFICATE_SIGNING', 'signing gRPC error (UNAVAILABLE): down')

describe('the certificate manager', () => {
  it('[identity-ca-21] makes one call for five readers of one identity, and never more than eight at once', async () => {
    const { clock, manager, calls } = setUp()
    const readers = Array.from({ length: 5 }, () => manager.certificate(identity))
    expect(calls).toHaveLength(1)
    await calls[0]!.answer(certificate(clock.now(), hour))
    expect(new Set(await Promise.all(readers)).size).toBe(1)

    for (let n = 0; n < 20; n++) void manager.certificate(`${identity}-${n}`)
    expect(calls).toHaveLength(1 + 8)
    await calls[1]!.answer(certificate(clock.now(), hour))
    expect(calls).toHaveLength(1 + 9)
  })

  it('[identity-ca-22] takes connections before prefetches before renewals, and moves a prefetch ahead when needed', async () => {
    const { clock, manager, calls } = setUp({ concurrency: 1 })
    void manager.certificate('renewed', 'warmup')
    await calls[0]!.answer(certificate(clock.now() - 2 * hour, hour))
    // Its renewal is due at once and runs; meanwhile these queue up behind it.
    expect(calls).toHaveLength(2)
    void manager.certificate('prefetched', 'warmup')
    void manager.certificate('later needed', 'warmup')
    void manager.certificate('needed', 'realtime')
    void manager.certificate('later needed', 'realtime')
    await calls[1]!.answer(certificate(clock.now() - 2 * hour, hour))
    for (const index of [2, 3, 4]) await calls[index]!.answer(certificate(clock.now(), hour))
    const order = calls.slice(2).map(call => call.identity)
    expect(order).toEqual(['later needed', 'needed', 'prefetched', 'renewed'])
  })

  it('[identity-ca-23] gives all waiters the error, fails further reads at once, and retries after about a second', async () => {
    for (const [random, delay] of [
      [0, 800],
      [0.9999999, 1200]
    ] as const) {
      const { clock, manager, calls } = setUp({ random: () => random })
      const waiters = [manager.certificate(identity), manager.certificate(identity)]
      const results = Promise.allSettled(waiters)
      await calls[0]!.answer(down)
      expect((await results).map(result => result.status)).toEqual(['rejected', 'rejected'])
      await expect(manager.certificate(identity)).rejects.toBe(down)
      expect(calls).toHaveLength(1)
      await clock.settle(delay - 1)
      expect(calls).toHaveLength(1)
      await clock.settle(2)
      expect(calls).toHaveLength(2)
    }
  })

  it('[identity-ca-24] keeps the old leaf while renewals fail, until it expires; the worked example of 4.5', async () => {
    const { clock, manager, calls } = setUp()
    const start = clock.now()
    const first = manager.certificate(identity)
    await calls[0]!.answer(certificate(start, hour))
    await first
    const attempts: number[] = []
    for (let n = 1; clock.now() < start + hour + 60_000; ) {
      await clock.settle(1000)
      while (calls.length > n) {
        attempts.push((calls[n]!.at - start) / 1000)
        await calls[n++]!.answer(down)
      }
      if (clock.now() < start + hour) expect(await manager.certificate(identity)).toMatchObject({ id: 'a' })
    }
    const at = (minutes: number, seconds: number): number => minutes * 60 + seconds
    expect(attempts.slice(0, 9)).toEqual([
      at(30, 0),
      at(30, 1),
      at(30, 3),
      at(30, 7),
      at(30, 15),
      at(30, 31),
      at(31, 3),
      at(32, 7),
      at(34, 15)
    ])
    expect(attempts).toContain(at(44, 15))
    expect(attempts.slice(-2)).toEqual([at(59, 15), at(60, 0)])
    await expect(manager.certificate(identity)).rejects.toBe(down)
    await clock.settle(at(62, 30) * 1000 - (clock.now() - start))
    await calls.at(-1)!.answer(certificate(clock.now(), hour, 'b'))
    expect(await manager.certificate(identity)).toMatchObject({ id: 'b' })
  })

  it('[identity-ca-25] fails waiters of a forgotten identity and is empty', async () => {
    const { clock, manager, calls } = setUp()
    const waiting = manager.certificate(identity)
    manager.forget(identity)
    await expect(waiting).rejects.toThrow('the identity is no longer needed')
    expect(manager.dump()).toEqual([])
    await calls[0]!.answer(certificate(clock.now(), hour))
    expect(manager.dump()).toEqual([])
  })

  it('uses the answer to a forgotten fetch when somebody asks again meanwhile', async () => {
    const { clock, manager, calls } = setUp()
    manager.certificate(identity).catch(() => {})
    manager.forget(identity)
    const again = manager.certificate(identity)
    expect(calls).toHaveLength(1)
    await calls[0]!.answer(certificate(clock.now(), hour))
    expect(await again).toMatchObject({ id: 'a' })
  })

  it('renews at half life', async () => {
    const { clock, manager, calls } = setUp()
    void manager.certificate(identity)
    await calls[0]!.answer(certificate(clock.now() - 2 * 60_000, 24 * hour + 2 * 60_000))
    await clock.settle(11 * hour + 59 * 60_000 - 1)
    expect(calls).toHaveLength(1)
    await clock.settle(1)
    expect(calls).toHaveLength(2)
  })

  it('gives nobody a certificate once it is closed', async () => {
    const { manager, calls } = setUp()
    const waiting = manager.certificate(identity)
    manager.close()
    await expect(waiting).rejects.toThrow('the identity is no longer needed')
    await expect(manager.certificate('later')).rejects.toMatchObject({ code: 'CERTIFICATE_FORGOTTEN' })
    expect(calls).toHaveLength(1)
  })
})
