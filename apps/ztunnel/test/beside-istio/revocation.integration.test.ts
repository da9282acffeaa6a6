import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { dumpedIdentity } from '../dumped-certificates.ts'
import { echo, serverVip } from '../mesh.ts'
import { type TestNode, until } from '../node.ts'
import {
  attempt,
  besideIstio,
  combinations,
  linesOf,
  type Maker,
  startPair,
  trafficSamples,
  unavailable
} from './pair.ts'

/** Whose certificate is revoked; the node of the other has the list. */
type Revoked = 'client' | 'server'

/** How a node says that an open connection ended: in the log, and in the metrics. */
interface End {
  readonly error: string | undefined
  readonly flag: string
}

interface Seen {
  /** By the application: on the open connection and on the next one. */
  readonly met: readonly string[]
  readonly ends: { readonly near: End; readonly far: End }
  /** All else, which no race decides. */
  readonly rest: unknown
}

const byRevocation: End = { error: 'connection closed: peer certificate revoked by CRL', flag: 'CERT_REVOKED' }
const bySend: End = { error: 'while closing connection: send: io error: …', flag: 'CONNECT' }
const byReceive: End = { error: 'while closing connection: receive: io error: …', flag: 'CONNECT' }
const byEnd: End = { error: undefined, flag: '-' }

/** Istio's ends a tunnel and what goes through it in no certain order; ours says of every connection why it ended. */
function endsOf(
  whose: Revoked,
  near: Maker,
  far: Maker
): { readonly near: readonly End[]; readonly far: readonly End[] } {
  const races = (whose === 'client' ? far : near) !== 'ours'
  return whose === 'client'
    ? { near: [bySend], far: races ? [byRevocation, byEnd] : [byRevocation] }
    : { near: races ? [byRevocation, bySend] : [byRevocation], far: races ? [byReceive, byEnd] : [byReceive] }
}

const hexadecimal = (serialNumber: string): string => {
  const text = BigInt(serialNumber).toString(16)
  return text.padStart(text.length + (text.length % 2), '0')
}

/** As a volume does it: the file is there as a whole or not at all. */
function replace(file: string, content: string): void {
  writeFileSync(`${file}.next`, content)
  renameSync(`${file}.next`, file)
}

/** A connection is open when the certificate is revoked; another is tried; then the list is emptied again. */
async function revoke(whose: Revoked, near: Maker, far: Maker): Promise<Seen> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'culvert-crl-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'ca-crl.pem')
  writeFileSync(file, '')
  const knows = { CRL_PATH: file }
  const pair = stack.use(
    await startPair({ near, far, ...(whose === 'client' ? { farEnv: knows } : { nearEnv: knows }) })
  )
  const { client, server, controlPlane } = pair
  await server.listen(8080, echo)
  const met: string[] = []
  const cut = await linesOf(pair, { near: 1, far: 1 }, async () => {
    const open = await client.connect(serverVip, 80)
    open.write('x')
    await once(open, 'data')
    const { certChain } = (await dumpedIdentity(whose === 'client' ? pair.near : pair.far, whose))!
    const ended = once(open.resume(), 'end').then(
      () => 'an end',
      ({ code }: { code: string }) => code
    )
    replace(file, await controlPlane.revocationList(['0badcafe', hexadecimal(certChain[0]!.serialNumber)]))
    met.push(await ended)
    open.end()
  })
  const ends = { near: await endAt(pair.near, cut.near), far: await endAt(pair.far, cut.far) }
  const refused = await linesOf(pair, { near: 1, far: 1 }, async () => {
    met.push(await attempt(client, serverVip, 80))
  })
  const samples = await Promise.all([pair.near, pair.far].map(trafficSamples))
  replace(file, await controlPlane.revocationList([]))
  await until(async () => (await attempt(client, serverVip, 80, 'again')) === '"again", then an end')
  return {
    met,
    ends,
    rest: {
      cut: [...cut.near, ...cut.far].map(line => line.replace(/^\w+/, '').replace(/ error=".*"$/, '')),
      refused,
      samples: samples.map(all => all.filter(sample => !aboutEnds.test(sample)))
    }
  }
}

const aboutEnds = /^istio_tcp_connections_(closed|failed)_total\{/

/** Of the only connection so far. */
async function endAt(node: TestNode, lines: readonly string[]): Promise<End> {
  const ends = (await trafficSamples(node)).filter(sample => aboutEnds.test(sample))
  const [flag = 'none', ...others] = new Set(ends.map(sample => /response_flags="([^"]*)"/.exec(sample)?.[1]))
  expect(others).toEqual([])
  expect(ends).toHaveLength(flag === '-' ? 1 : 2)
  return { error: / error="(.*)"$/.exec(lines.join())?.[1], flag }
}

describe.skipIf(unavailable)(besideIstio('revocation'), () => {
  describe.each(['client', 'server'] as const)('of a %s', whose => {
    let istios: Seen
    beforeAll(async () => {
      istios = await revoke(whose, ...combinations[0]!)
    }, 60_000)

    it.each(combinations)(
      '[identity-ca-29] ends what is open and is refused, the same to all: %s to %s',
      async (near, far) => {
        const seen = near === far && near !== 'ours' ? istios : await revoke(whose, near, far)
        const expected = endsOf(whose, near, far)
        expect(seen.ends.near).toBeOneOf(expected.near)
        expect(seen.ends.far).toBeOneOf(expected.far)
        expect(seen.met).toEqual(['an end', '"", then an end'])
        expect(seen.rest).toEqual(istios.rest)
      },
      60_000
    )
  })
})
