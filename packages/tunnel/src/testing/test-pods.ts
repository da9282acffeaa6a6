import net from 'node:net'
import { connectTcp, createNetns, listenTcp, type Netns, run } from '@culvert/netns'
import type { Endpoint } from '../data-path.ts'
import type { TestMesh } from './test-mesh.ts'

// The marks and the table of in-pod capture (capture 1): the proxy's own sockets, and connections that it made.
export const PROXY_MARK = 0x539
const RETURN_MARK = 0x111
const RETURN_TABLE = '100'

export const CLIENT_IP = '10.77.0.1'
export const SERVER_IP = '10.77.0.2'

export interface TestPods {
  readonly client: Netns
  readonly server: Netns
}

/**
 * Two network namespaces with a cable between them. In the client's, connections to `SERVER_IP`:`capturedPort` are
 * redirected to port 15001; in the server's, replies to connections of the proxy come back to it though it took a
 * foreign address.
 */
export async function connectedPods(mesh: TestMesh, capturedPort: number): Promise<TestPods> {
  const client = createNetns()
  const server = createNetns()
  mesh.onCleanup(() => client.close())
  mesh.onCleanup(() => server.close())
  await command(client, `ip link add eth0 type veth peer name eth1`)
  await command(client, `ip link set eth1 netns /proc/${process.pid}/fd/${server.fd} name eth0`)
  for (const [netns, ip] of [
    [client, CLIENT_IP],
    [server, SERVER_IP]
  ] as const) {
    await command(netns, 'ip link set lo up')
    await command(netns, `ip address add ${ip}/24 dev eth0`)
    await command(netns, 'ip link set eth0 up')
  }
  await command(
    client,
    `iptables -w -t nat -A OUTPUT -p tcp -d ${SERVER_IP} --dport ${capturedPort} -m mark ! --mark ${PROXY_MARK} -j REDIRECT --to-ports 15001`
  )
  await command(
    server,
    `iptables -w -t mangle -A PREROUTING -m mark --mark ${PROXY_MARK} -j CONNMARK --set-xmark ${RETURN_MARK}`
  )
  await command(server, `iptables -w -t mangle -A OUTPUT -m connmark --mark ${RETURN_MARK} -j CONNMARK --restore-mark`)
  await command(server, `ip rule add fwmark ${RETURN_MARK} lookup ${RETURN_TABLE}`)
  await command(server, `ip route add local 0.0.0.0/0 dev lo table ${RETURN_TABLE}`)
  return { client, server }
}

/** An application inside a namespace that tells each client its address. */
export function addressTeller(mesh: TestMesh, netns: Netns, at: Endpoint): Promise<void> {
  const { fd } = listenTcp(netns, at)
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    socket.end(`${socket.remoteAddress}`)
  })
  mesh.onCleanup(() => server.close())
  return new Promise(resolve => server.listen({ fd }, resolve))
}

export async function connectFrom(mesh: TestMesh, netns: Netns, to: Endpoint): Promise<net.Socket> {
  const socket = await connectTcp(netns, to)
  mesh.onCleanup(() => socket.destroy())
  return socket
}

async function command(netns: Netns, line: string): Promise<void> {
  const [program = '', ...args] = line.split(' ')
  const { code, stderr } = await run(netns, program, args)
  if (code !== 0) throw new Error(`'${line}' ended with ${code}: ${stderr}`)
}
