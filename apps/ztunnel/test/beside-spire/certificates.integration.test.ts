// With SPIRE's own server and agent, from the folder at CULVERT_PEER_SPIRE.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { type DumpedIdentity, dumpedIdentity } from '../dumped-certificates.ts'
import { echo, notRoot, readAll, roundTrip, serverVip, startMesh } from '../mesh.ts'
import { until } from '../node.ts'
import { spirePrograms, startSpire } from './spire.ts'

const identityOf = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`

/** How a stream that gets these octets as its request ends. */
async function refusal(socket: string, path: string, request: Buffer): Promise<ServiceError> {
  const client = new Client(`unix://${socket}`, credentials.createInsecure())
  try {
    const same = (bytes: Buffer): Buffer => bytes
    const stream = client.makeServerStreamRequest(path, same, same, request)
    stream.resume()
    return await new Promise(resolve => stream.on('error', resolve as (error: Error) => void))
  } finally {
    client.close()
  }
}

interface Authority {
  readonly authority_id: string
}

describe.skipIf(notRoot !== undefined || spirePrograms === undefined)(
  'with SPIRE’s server and agent (needs CULVERT_PEER_SPIRE)',
  () => {
    it('[identity-ca-30] serves pods with the agent’s certificates while they and the roots change, and stops when it has them no more', async () => {
      await using stack = new AsyncDisposableStack()
      const spire = stack.use(await startSpire({ delegate: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel' }))
      const clientEntry = await spire.register({
        id: identityOf('client'),
        selectors: ['k8s:pod-uid:uid-client'],
        // Renewed after a third of it: the server puts notBefore 10 s back, and the agent goes by the half.
        ttl: 30
      })
      await spire.register({
        id: identityOf('server'),
        selectors: ['k8s:ns:shop', 'k8s:sa:server', 'k8s:pod-name:server']
      })
      const mesh = stack.use(
        await startMesh({
          env: {
            CULVERT_SPIRE_ADMIN_SOCKET: spire.adminSocket,
            CA_ADDRESS: '',
            POOL_MAX_STREAMS_PER_CONNECTION: '1'
          }
        })
      )
      await mesh.server.listen(8080, echo)
      const ask = async (): Promise<string> =>
        String(await roundTrip(await mesh.client.connect(serverVip, 80), 'x').catch(({ code }) => code))
      await until(async () => (await ask()) === 'x', spire.lines)
      expect(await mesh.node.line(/connection complete.* direction="inbound"/)).toContain(
        `src.identity="${identityOf('client')}"`
      )

      const held = async (account: string): Promise<DumpedIdentity> => (await dumpedIdentity(mesh.node, account))!
      const is = async (account: string, what: (now: DumpedIdentity) => boolean): Promise<void> => {
        await until(
          async () => what(await held(account)),
          () => [...spire.lines(), ...mesh.node.lines()]
        )
      }
      const hasOther = async (account: string, before: DumpedIdentity): Promise<void> =>
        await is(account, ({ certChain }) => certChain[0]?.serialNumber !== before.certChain[0]?.serialNumber)

      // From here on nothing may fail: each connection has a handshake of its own.
      const answers = new Set<string>()
      let over = false
      const asking = (async () => {
        while (!over) answers.add(await ask())
      })()
      try {
        await hasOther('client', await held('client'))

        const beforeRestart = await held('server')
        await spire.restartAgent()
        await hasOther('server', beforeRestart)

        const { prepared_authority: next } = (await spire.server('localauthority', 'x509', 'prepare')) as {
          readonly prepared_authority: Authority
        }
        await is('server', ({ rootCerts }) => rootCerts.length === 2)
        await spire.server('localauthority', 'x509', 'activate', '-authorityID', next.authority_id)
        const { old } = (await spire.server('localauthority', 'x509', 'show')) as { readonly old: Authority }
        // What a tainted authority signed is replaced at once.
        const before = { client: await held('client'), server: await held('server') }
        await spire.server('localauthority', 'x509', 'taint', '-authorityID', old.authority_id)
        await hasOther('server', before.server)
        await hasOther('client', before.client)
        // Agent and server themselves need other certificates too before they can do without it.
        for (const done of ['Server SVID signed using a tainted authority', 'Successfully rotated agent SVID']) {
          await until(() => spire.lines().some(line => line.includes(done)), spire.lines)
        }
        await spire.server('localauthority', 'x509', 'revoke', '-authorityID', old.authority_id)
        const firstRoot = before.server.rootCerts[0]?.serialNumber
        await is('client', ({ rootCerts }) => rootCerts.length === 1 && rootCerts[0]?.serialNumber !== firstRoot)
      } finally {
        over = true
        await asking
      }
      expect([...answers]).toEqual(['x'])

      await spire.server('entry', 'delete', '-entryID', clientEntry)
      await until(async () => (await dumpedIdentity(mesh.node, 'client')) === undefined, spire.lines)
      expect(String(await readAll(await mesh.client.connect(serverVip, 80)))).toBe('')
      expect(await mesh.node.line(/error="identity error/)).toContain(
        `the SPIRE agent has no certificate of ${identityOf('client')} for the pods here`
      )
      expect(await dumpedIdentity(mesh.node, 'server')).toBeDefined()

      const selectors = Buffer.from('0a0e0a036b387312076e733a73686f70', 'hex')
      const byPid = Buffer.from('10e724', 'hex')
      const delegated = '/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs'
      for (const request of [Buffer.concat([selectors, byPid]), Buffer.alloc(0)]) {
        expect(await refusal(spire.adminSocket, delegated, request)).toMatchObject({
          code: status.INVALID_ARGUMENT,
          details: 'must provide either selectors or non-zero PID, but not both'
        })
      }
      expect(await refusal(spire.workloadSocket, '/SpiffeWorkloadAPI/FetchX509SVID', Buffer.alloc(0))).toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: 'security header missing from request'
      })
    }, 180_000)
  }
)
