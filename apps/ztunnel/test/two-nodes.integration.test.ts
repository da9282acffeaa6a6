import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { startControlPlane } from './control-plane.ts'
import { echo, podWorkload, roundTrip, notRoot, snapshotPod, titled } from './mesh.ts'
import { startNode } from './node.ts'
import { createPods } from './pods.ts'

describe.skipIf(notRoot)(titled('two nodes'), () => {
  it('[observability-dns-1, 2] carries a connection from the proxy of one node to that of another, each with its line', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods())
    const [client, server] = [await pods.add('client'), await pods.add('server')]
    await server.listen(8080, echo)
    const workloads = [podWorkload(client, { node: 'node-1' }), podWorkload(server, { node: 'node-2' })]
    await controlPlane.setAddresses(new Map(workloads))
    const near = stack.use(await startNode({ controlPlane, pods: [snapshotPod(client)], env: { NODE_NAME: 'node-1' } }))
    const far = stack.use(
      await startNode({
        controlPlane,
        pods: [snapshotPod(server)],
        env: { NODE_NAME: 'node-2', LOG_FORMAT: 'json' }
      })
    )
    await Promise.all([near.ready(), far.ready()])

    expect((await roundTrip(await client.connect(server.ip, 8080), 'across')).toString()).toBe('across')
    expect(await near.line(/direction="outbound"/)).toMatch(
      /dst\.addr=10\.77\.0\.3:15008 dst\.hbone_addr=10\.77\.0\.3:8080 .* bytes_sent=6 bytes_recv=6 /
    )
    const line = JSON.parse(await far.line(/"direction":"inbound"/)) as Record<string, unknown>
    expect(Object.keys(line).slice(0, 4)).toEqual(['level', 'time', 'scope', 'message'])
    expect(line).toMatchObject({
      level: 'info',
      scope: 'access',
      message: 'connection complete',
      'src.workload': 'client',
      'src.identity': 'spiffe://cluster.local/ns/shop/sa/client',
      'dst.workload': 'server',
      bytes_sent: 6,
      bytes_recv: 6
    })
    expect([...near.lines(), ...far.lines()].filter(each => /connection complete/.test(each))).toHaveLength(2)
  })

  it('comes back after a kill: the next proxy takes over the pods', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods())
    const [client, server] = [await pods.add('client'), await pods.add('server')]
    await server.listen(8080, echo)
    await controlPlane.setAddresses(new Map([podWorkload(client), podWorkload(server)]))
    const snapshot = [client, server].map(snapshotPod)
    const first = stack.use(await startNode({ controlPlane, pods: snapshot }))
    await first.ready()
    first.process.kill('SIGKILL')
    await once(first.process, 'exit')
    const second = stack.use(await startNode({ controlPlane, pods: snapshot }))
    await second.ready()
    expect((await roundTrip(await client.connect(server.ip, 8080), 'again')).toString()).toBe('again')
  })
})
