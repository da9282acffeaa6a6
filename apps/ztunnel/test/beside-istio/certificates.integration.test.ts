import { createCertificateAuthority, type SelfSignedRoot, selfSignedRoot } from '@culvert/certificates'
import { describe, expect, it } from 'vitest'
import { dumpedIdentity } from '../dumped-certificates.ts'
import { echo, roundTrip } from '../mesh.ts'
import { until } from '../node.ts'
import { attempt, besideIstio, combinations, type Pair, startPair, unavailable } from './pair.ts'

const day = 86_400

async function authorityOf(signer: SelfSignedRoot, trusted: readonly SelfSignedRoot[]) {
  return await createCertificateAuthority({
    signingCertificate: signer.certificate,
    signingKey: signer.key,
    chain: '',
    rootBundle: trusted.map(({ certificate }) => certificate).join('')
  })
}

/** New connections one after the other, each with a handshake of its own, while `act` runs; the failures, and how many there were. */
async function handshakesWhile(
  { client, server }: Pair,
  act: () => Promise<void>
): Promise<{ failures: readonly string[]; count: number }> {
  const failures: string[] = []
  let count = 0
  let over = false
  const asking = [
    [client, server],
    [server, client]
  ].map(async ([from, to]) => {
    while (!over) {
      const met = await attempt(from!, to!.ip, 8080, 'hello')
      if (met !== '"hello", then an end') failures.push(`${from!.name} → ${to!.name}: ${met}`)
      count += 1
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  })
  try {
    await act()
  } finally {
    over = true
    await Promise.all(asking)
  }
  return { failures, count }
}

describe.skipIf(unavailable)(besideIstio('certificates'), () => {
  const [, ...others] = combinations
  it.each(others)(
    'go from one root to another without a failed handshake: %s to %s',
    async (near, far) => {
      const [old, next] = [
        await selfSignedRoot({ organization: 'old', ttlSeconds: day }),
        await selfSignedRoot({ organization: 'next', ttlSeconds: day })
      ]
      // Renewed at half of life, which began two minutes before it was issued: every 5 s (docs/spec/identity-ca.md 4.4).
      // One stream in a tunnel, and so a handshake for each connection.
      await using pair = await startPair({
        near,
        far,
        env: { SECRET_TTL: '130s', POOL_MAX_STREAMS_PER_CONNECTION: '1' },
        prepare: async controlPlane => controlPlane.issueWith(await authorityOf(old, [old]))
      })
      for (const pod of [pair.client, pair.server]) await pod.listen(8080, echo)
      await roundTrip(await pair.client.connect(pair.server.ip, 8080), 'x')
      await roundTrip(await pair.server.connect(pair.client.ip, 8080), 'x')
      const phases: readonly (readonly [SelfSignedRoot, readonly SelfSignedRoot[]])[] = [
        [old, [old, next]],
        [next, [old, next]],
        [next, [next]]
      ]
      const { failures, count } = await handshakesWhile(pair, async () => {
        for (const [signer, trusted] of phases) {
          const before = await serials(pair)
          pair.controlPlane.issueWith(await authorityOf(signer, trusted))
          await until(async () => (await serials(pair)).every((serial, i) => serial !== before[i]))
        }
      })
      expect(failures).toEqual([])
      expect(count).toBeGreaterThan(20)
      for (const [node, account] of [
        [pair.near, 'client'],
        [pair.far, 'server']
      ] as const) {
        const roots = (await dumpedIdentity(node, account))!.rootCerts.map(({ pem }) =>
          Buffer.from(pem, 'base64').toString()
        )
        expect(roots.map(pem => pem.replace(/\s/g, ''))).toEqual([next.certificate.replace(/\s/g, '')])
      }
    },
    120_000
  )
})

async function serials({ near, far }: Pair): Promise<readonly (string | undefined)[]> {
  const dumps = await Promise.all([dumpedIdentity(near, 'client'), dumpedIdentity(far, 'server')])
  return dumps.map(dump => dump?.certChain[0]?.serialNumber)
}
