import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { startControlPlane } from '../control-plane.ts'
import {
  denyPrincipal,
  echo,
  emptyVip,
  podWorkload,
  roundTrip,
  serverHost,
  serverServices,
  serverVip,
  serviceAt,
  snapshotPod
} from '../mesh.ts'
import { startNode } from '../node.ts'
import { createPods } from '../pods.ts'
import { proxyUser, redirectToSidecar } from '../sidecar.ts'
import { attempt, besideIstio, linesOf, type Maker, programOf, trafficSamples, unavailable } from './pair.ts'

/** A proxy of the client alone, beside it and without privileges, and one of a node for the server. */
async function sidecar(maker: Maker, others: Maker): Promise<unknown> {
  await using stack = new AsyncDisposableStack()
  const controlPlane = stack.use(await startControlPlane({ caller: 'spiffe://cluster.local/ns/shop/sa/client' }))
  const pods = stack.use(await createPods())
  const client = await pods.add('client', { captured: false })
  const server = await pods.add('server')
  const outsider = await pods.add('outsider', { captured: false })
  await redirectToSidecar(client)
  await controlPlane.setAddresses(
    new Map([
      podWorkload(client),
      podWorkload(server, { node: 'node-2', ...serverServices }),
      serviceAt('server', serverVip),
      serviceAt('empty', emptyVip)
    ])
  )
  const far = await startNode({
    controlPlane,
    ...programOf(others),
    pods: [snapshotPod(server)],
    env: { NODE_NAME: 'node-2' }
  })
  stack.use(far)
  const near = await startNode({
    controlPlane,
    ...programOf(maker),
    netns: client.netns,
    user: proxyUser,
    resolvConf: 'search shop.svc.cluster.local\nnameserver 127.0.0.1\noptions timeout:1 attempts:0\n',
    env: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/client/client', UNSTABLE_ENABLE_SOCKS5: 'true' }
  })
  stack.use(near)
  await Promise.all([near.ready(), far.ready()])
  for (const pod of [client, server]) await pod.listen(8080, echo)

  const found: Record<string, unknown> = {}
  const way = async (
    title: string,
    expected: Parameters<typeof linesOf>[1],
    act: () => Promise<string>
  ): Promise<void> => {
    let met = ''
    const lines = await linesOf({ near, far }, expected, async () => {
      met = await act()
    })
    found[title] = { met, ...lines }
  }
  await way('out', { near: 1, far: 1 }, () => attempt(client, serverVip, 80, 'out'))
  await way('in', { near: 1, far: 1 }, () => attempt(server, client.ip, 8080, 'in'))
  await way('in, to a closed port', { near: 1, far: 1 }, () => attempt(server, client.ip, 9))
  await way('plaintext in', { near: 1 }, () => attempt(outsider, client.ip, 8080, 'plain'))
  await way('plaintext out', { near: 1 }, () => attempt(client, outsider.ip, 9))
  await way('nobody behind the service', { near: 1 }, () => attempt(client, emptyVip, 80))
  await way('a name by SOCKS5', { near: 1, far: 1 }, async () => {
    const socket = await client.connect('127.0.0.1', 15080)
    socket.write(Buffer.from([5, 1, 0]))
    await once(socket, 'data')
    socket.write(Buffer.from([5, 1, 0, 3, serverHost.length, ...Buffer.from(serverHost), 0, 80]))
    await once(socket, 'data')
    return String(await roundTrip(socket, 'by name'))
  })
  await controlPlane.setPolicies(new Map([denyPrincipal('no-server', 'server')]))
  await way('denied', { near: 1, far: 1 }, () => attempt(server, client.ip, 8080))
  return { found, near: await trafficSamples(near), far: await trafficSamples(far) }
}

describe.skipIf(unavailable)(besideIstio('a proxy of one workload'), () => {
  it('starts with the same settings, and carries, refuses and tells the same', async () => {
    const istios = await sidecar('Istio’s', 'Istio’s')
    expect(istios).toMatchObject({
      found: {
        out: { met: '"out", then an end' },
        in: { met: '"in", then an end' },
        'a name by SOCKS5': { met: 'by name' }
      }
    })
    expect(await sidecar('ours', 'Istio’s')).toEqual(istios)
    expect(await sidecar('Istio’s', 'ours')).toEqual(istios)
  })
})
