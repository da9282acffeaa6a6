import { createServer, type Server, type Socket } from 'node:net'
import { connectTcp, createNetns, listenTcp, type Netns } from '@culvert/netns'
import { createTrafficCapture, defaultProbeAddresses, noOverrides } from '@culvert/iptables'
import { must } from './node.ts'

/** Namespaces on one bridge, each with an address of 10.77.0.0/24 and of fd77::/64, with or without the in-pod rules. */
export interface TestPods extends Disposable {
  readonly add: (name: string, options?: { captured?: boolean }) => Promise<TestPod>
}

export interface TestPod {
  readonly name: string
  readonly ip: string
  readonly ip6: string
  readonly netns: Netns
  readonly connect: (ip: string, port: number) => Promise<Socket>
  readonly listen: (port: number, onConnection: (socket: Socket) => void) => Promise<Server>
}

/** The rules are for IPv4 alone unless `ipv6` says that they are for both families. */
export async function createPods({ ipv6 = false }: { readonly ipv6?: boolean } = {}): Promise<TestPods> {
  const fabric = createNetns()
  const opened: { close: () => void }[] = [fabric]
  await must(fabric, 'ip', ['link', 'add', 'br0', 'address', '02:00:00:00:00:01', 'type', 'bridge'])
  await must(fabric, 'ip', ['link', 'set', 'br0', 'up'])
  let last = 1

  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
  const capture = await createTrafficCapture({
    backend: 'iptables',
    settings: { dnsCapture: true, ipv6, probe: defaultProbeAddresses },
    reconcile: false,
    host: fabric,
    log,
    procRoot: '/proc'
  })

  const add: TestPods['add'] = async (name, { captured = true } = {}) => {
    const netns = createNetns()
    opened.push(netns)
    const number = ++last
    const ip = `10.77.0.${number}`
    const ip6 = `fd77::${number.toString(16)}`
    // `ip` moves a device by the namespace's path: that of this process's descriptor.
    const peer = `/proc/${process.pid}/fd/${netns.fd}`
    await must(fabric, 'ip', ['link', 'add', `v${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer])
    await must(fabric, 'ip', ['link', 'set', `v${number}`, 'master', 'br0', 'up'])
    for (const args of [
      ['link', 'set', 'lo', 'up'],
      ['link', 'set', 'eth0', 'up'],
      ['addr', 'add', `${ip}/24`, 'dev', 'eth0'],
      ['route', 'add', 'default', 'via', '10.77.0.1', 'onlink', 'dev', 'eth0'],
      ['addr', 'add', `${ip6}/64`, 'dev', 'eth0', 'nodad'],
      ['route', 'add', 'default', 'via', 'fd77::1', 'onlink', 'dev', 'eth0']
    ]) {
      await must(netns, 'ip', args)
    }
    if (captured) await capture.createPodRules(netns, noOverrides)

    const servers: Server[] = []
    const sockets = new Set<Socket>()
    const keep = (socket: Socket): Socket => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
      return socket
    }
    opened.push({
      close: () => {
        for (const server of servers) server.close()
        for (const socket of sockets) socket.destroy()
      }
    })
    return {
      name,
      ip,
      ip6,
      netns,
      connect: async (to, port) => keep(await connectTcp(netns, { ip: to, port }, { allowHalfOpen: true })),
      listen: async (port, onConnection) => {
        const { fd } = listenTcp(netns, { ip: ipv6 ? '::' : '0.0.0.0', port })
        const server = createServer({ allowHalfOpen: true }, socket => onConnection(keep(socket)))
        servers.push(server)
        await new Promise<void>(resolve => server.listen({ fd }, resolve))
        return server
      }
    }
  }
  return {
    add,
    [Symbol.dispose]: () => {
      for (const each of opened.reverse()) each.close()
    }
  }
}
