import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestTrustDomain, startTestSpireAgent } from '@culvert/certificates/testing'
import { describe, expect, it } from 'vitest'
import { dumpedIdentities } from './dumped-certificates.ts'
import { echo, readAll, roundTrip, serverVip, notRoot, startMesh, titled } from './mesh.ts'
import { until } from './node.ts'

describe.skipIf(notRoot)(titled('with a SPIRE agent'), () => {
  it('serves pods with the certificates that the agent has for them, and stops when it has them no more', async () => {
    await using stack = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'culvert-spire-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const socket = join(folder, 'admin.sock')
    const agent = await startTestSpireAgent(socket)
    stack.defer(agent.close)
    const domain = await createTestTrustDomain('cluster.local')
    agent.setBundles({ 'spiffe://cluster.local': domain.root })
    for (const name of ['client', 'server']) {
      agent.set(`k8s:pod-uid:uid-${name}`, [await domain.svid(`/ns/shop/sa/${name}`)])
    }
    const mesh = await startMesh({ env: { CULVERT_SPIRE_ADMIN_SOCKET: socket, CA_ADDRESS: '' } })
    stack.use(mesh)
    await mesh.server.listen(8080, echo)
    expect(String(await roundTrip(await mesh.client.connect(serverVip, 80), 'x'))).toBe('x')
    expect(await mesh.node.line(/direction="inbound"/)).toContain(
      'src.identity="spiffe://cluster.local/ns/shop/sa/client"'
    )
    const dump = () => dumpedIdentities(mesh.node)
    const [first] = await dump()
    expect(first).toMatchObject({ identity: 'spiffe://cluster.local/ns/shop/sa/client', state: 'Available' })
    const root = Buffer.from(first?.rootCerts[0]?.pem ?? '', 'base64')
      .toString()
      .replace(/-----.*-----|\s/g, '')
    expect(root).toBe(Buffer.from(domain.root).toString('base64'))

    agent.set('k8s:pod-uid:uid-client', [])
    await until(async () => (await dump()).every(({ identity }) => !identity.endsWith('/client')))
    expect(String(await readAll(await mesh.client.connect(serverVip, 80)))).toBe('')
    expect(await mesh.node.line(/error="identity error/)).toContain(
      'the SPIRE agent has no certificate of spiffe://cluster.local/ns/shop/sa/client for the pods here'
    )

    expect(agent.subscriptions()).toHaveLength(2)
    await mesh.node.zds.delete('uid-server')
    await until(() => agent.subscriptions().length === 1)
  })
})
