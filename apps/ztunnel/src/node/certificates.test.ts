import type { CertificateManager } from '@culvert/certificates'
import { createLog, parseLogFilter } from '@culvert/telemetry'
import { createWorkloadIndex, type WorkloadIndex } from '@culvert/workloads'
import { workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { followWorkloads } from './certificates.ts'

type Held = Pick<CertificateManager, 'certificate' | 'forget' | 'dump'>

interface Scene {
  readonly index: WorkloadIndex
  readonly fetched: string[]
  readonly held: Set<string>
  readonly lines: string[]
}

function scene(options: { prefetch?: boolean; certificate?: Held['certificate'] } = {}): Scene {
  const fetched: string[] = []
  const held = new Set<string>()
  const lines: string[] = []
  const certificates: Held = {
    certificate: async (identity, priority) => {
      fetched.push(`${identity} ${priority}`)
      held.add(identity)
      return await (options.certificate ?? (async () => ({}) as never))(identity, priority)
    },
    forget: identity => {
      held.delete(identity)
    },
    dump: () => [...held].map(identity => ({ identity, state: 'Initializing' as const }))
  }
  const write = (line: string): number => lines.push(line)
  const log = createLog({ style: 'ztunnel', json: false, filter: parseLogFilter('info'), write }).scope('x')
  const index = createWorkloadIndex({ localNode: 'n1' })
  followWorkloads(index, certificates, { prefetch: options.prefetch ?? true, log })
  return { index, fetched, held, lines }
}

const pod = (uid: string, fields: object = {}) => workloadUpdate({ uid, node: 'n1', serviceAccount: 'cart', ...fields })
const cart = 'spiffe://cluster.local/ns/shop/sa/cart'
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('prefetch', () => {
  it('asks for the certificates of this node and of HBONE workloads only', async () => {
    const { index, fetched } = scene()
    const updates = [
      pod('a'),
      pod('b', { serviceAccount: 'far', node: 'n2' }),
      pod('c', { serviceAccount: 'plain', protocol: 'TCP' }),
      pod('d', { serviceAccount: 'native', protocol: 'TCP', nativeTunnel: true })
    ]
    index.apply({ updates, removals: [] })
    await turn()
    expect(fetched).toEqual([`${cart} warmup`, 'spiffe://cluster.local/ns/shop/sa/native warmup'])
  })

  it('goes on after a failure, which it logs', async () => {
    const certificate = (): Promise<never> => Promise.reject(new Error('CA is away'))
    const { index, fetched, lines } = scene({ certificate })
    index.apply({ updates: [pod('a'), pod('b', { serviceAccount: 'other' })], removals: [] })
    await turn()
    expect(fetched).toHaveLength(2)
    expect(lines[0]).toContain(`certificate prefetch failed\tidentity="${cart}" error="CA is away"`)
  })

  it('lets no more than 256 wait', async () => {
    const { index, fetched, lines } = scene()
    const updates = Array.from({ length: 300 }, (_, i) => pod(`p${i}`, { serviceAccount: `s${i}` }))
    index.apply({ updates, removals: [] })
    for (let i = 0; i < 300; i++) await turn()
    // One is taken from the queue at once.
    expect(fetched).toHaveLength(257)
    expect(lines.filter(line => line.includes('too many certificates to prefetch'))).toHaveLength(43)
  })

  it('asks for nothing where it is off', async () => {
    const { index, fetched } = scene({ prefetch: false })
    index.apply({ updates: [pod('a')], removals: [] })
    await turn()
    expect(fetched).toEqual([])
  })
})

it('[identity-ca-27] forgets an identity with the last workload that runs as it', async () => {
  const { index, held } = scene()
  index.apply({ updates: [pod('a'), pod('b')], removals: [] })
  await turn()
  index.apply({ updates: [], removals: ['a'] })
  expect([...held]).toEqual([cart])
  index.apply({ updates: [], removals: ['b'] })
  expect([...held]).toEqual([])
})
