import { once } from 'node:events'
import { listenTcp } from '@culvert/netns'
import { closeSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import {
  denyPrincipal,
  echo,
  podWorkload,
  readAll,
  roundTrip,
  serverServices,
  serverVip,
  serviceAt,
  notRoot,
  snapshotPod,
  titled
} from './mesh.ts'
import { isListening, startNode, type TestNode } from './node.ts'
import { createPods, type TestPod, type TestPods } from './pods.ts'
import { proxyUser, redirectToSidecar } from './sidecar.ts'

describe.skipIf(notRoot)(titled('a proxy of one workload, beside it and without privileges'), () => {
  const stack = new AsyncDisposableStack()
  let controlPlane: ControlPlane
  let pods: TestPods
  let client: TestPod
  let server: TestPod
  let shared: TestNode
  let sidecar: TestNode

  const start = async (env: Record<string, string> = {}): Promise<TestNode> => {
    const mode = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/client/client', UNSTABLE_ENABLE_SOCKS5: 'true' }
    const resolvConf = 'search shop.svc.cluster.local lab.example\nnameserver 127.0.0.1\noptions timeout:1 attempts:0\n'
    return stack.use(
      await startNode({
        controlPlane,
        netns: client.netns,
        user: proxyUser,
        resolvConf,
        env: { ...mode, RUST_LOG: 'dns=debug,info', ...env }
      })
    )
  }

  beforeAll(async () => {
    controlPlane = stack.use(await startControlPlane({ caller: 'spiffe://cluster.local/ns/shop/sa/client' }))
    pods = stack.use(await createPods())
    client = await pods.add('client', { captured: false })
    server = await pods.add('server')
    await redirectToSidecar(client)
    await controlPlane.setAddresses(
      new Map([podWorkload(client), podWorkload(server, serverServices), serviceAt('server', serverVip)])
    )
    shared = stack.use(await startNode({ controlPlane, pods: [snapshotPod(server)] }))
    sidecar = await start()
    await Promise.all([shared.ready(), sidecar.ready()])
    await server.listen(8080, echo)
    await client.listen(8080, echo)
  })
  afterAll(() => stack.disposeAsync())

  it('carries its connections to the mesh, and those of the mesh to it', async () => {
    const out = await client.connect(serverVip, 80)
    const port = out.localPort
    expect((await roundTrip(out, 'out')).toString()).toBe('out')
    expect(await sidecar.line(new RegExp(`src.addr=${client.ip}:${port} .*direction="outbound"`))).toContain(
      `src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" ` +
        `src.cluster="Kubernetes" dst.addr=${server.ip}:15008`
    )
    expect((await roundTrip(await server.connect(client.ip, 8080), 'in')).toString()).toBe('in')
    expect(await sidecar.line(/dst.hbone_addr=\S+:8080 .*direction="inbound"/)).toContain(
      'src.identity="spiffe://cluster.local/ns/shop/sa/server"'
    )
  })

  it('takes plaintext by its policies', async () => {
    const outsider = await pods.add('outsider', { captured: false })
    expect((await roundTrip(await outsider.connect(client.ip, 8080), 'plain')).toString()).toBe('plain')
    await sidecar.line(new RegExp(`src.addr=${outsider.ip}:\\d+ .*direction="inbound"`))
    await controlPlane.setPolicies(new Map([denyPrincipal('no-server', 'server')]))
    try {
      await readAll(await server.connect(client.ip, 8080)).catch(() => undefined)
      await sidecar.line(/explicitly denied by: shop\/no-server/)
      expect((await roundTrip(await outsider.connect(client.ip, 8080), 'still')).toString()).toBe('still')
    } finally {
      await controlPlane.setPolicies(new Map())
    }
  })

  it('serves SOCKS5, and takes the search list of its own resolv.conf off names', async () => {
    const socket = await client.connect('127.0.0.1', 15080)
    const name = 'server.shop.svc.cluster.local.lab.example'
    socket.write(
      Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length]), Buffer.from(name), Buffer.from([0, 80])])
    )
    const reply = (await roundTrip(socket, 'by name')).toString('latin1')
    expect(reply).toBe('\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00by name')
    expect(await sidecar.line(/\tdns\t/)).toContain(`domain="${name}." result="success" endpoints=1`)
  })

  it('does not start beside another', async () => {
    const second = await start()
    expect(await once(second.process, 'close')).toEqual([1, null])
    expect(second.lines().at(-1)).toContain('ztunnel: cannot listen on 127.0.0.1:15000: ')
    await sidecar.ready()
  })

  it('ends with its port taken, and names it', async () => {
    const netns = (await pods.add('taken', { captured: false })).netns
    const { fd } = listenTcp(netns, { ip: '::', port: 15006 })
    try {
      const env = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/taken/taken' }
      const node = stack.use(await startNode({ controlPlane, netns, env }))
      expect(await once(node.process, 'close')).toEqual([1, null])
      expect(node.lines()).toContain(
        'ztunnel: failed to bind to address [::]:15006: Address already in use (os error 98)'
      )
    } finally {
      closeSync(fd)
    }
  })

  it('drains on SIGTERM: nothing new, the open connections to their end', async () => {
    const [out, incoming] = [await client.connect(serverVip, 80), await server.connect(client.ip, 8080)]
    for (const socket of [out, incoming]) {
      socket.write('x')
      await once(socket, 'data')
    }
    sidecar.process.kill('SIGTERM')
    for (const port of [15001, 15006, 15008, 15053, 15080]) {
      await expect.poll(() => isListening(client.netns, port)).toBe(false)
    }
    expect(sidecar.process.exitCode).toBeNull()
    const ended = once(sidecar.process, 'exit')
    for (const socket of [out, incoming]) expect((await roundTrip(socket, 'bye')).toString()).toBe('bye')
    expect(await ended).toEqual([0, null])
  })
})
