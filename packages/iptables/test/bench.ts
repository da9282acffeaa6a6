import { once } from 'node:events'
import net from 'node:net'
import { createNetns, listenTcp, type Netns, originalDestination, type RunResult, run } from '@culvert/netns'
import {
  type CaptureBackend,
  createTrafficCapture,
  defaultProbeAddresses,
  type RunProgram,
  type TrafficCapture
} from '../src/index.ts'

export const podIp = '10.77.0.2'
export const peerIp = '10.77.0.1'

/** The same bench in the other family. */
export const addresses: Record<'ipv4' | 'ipv6', Record<'pod' | 'peer' | 'probe' | 'client' | 'resolver', string>> = {
  ipv4: { pod: podIp, peer: peerIp, probe: defaultProbeAddresses.ipv4, client: '10.99.9.1', resolver: '10.96.0.10' },
  ipv6: {
    pod: 'fd77::2',
    peer: 'fd77::1',
    probe: defaultProbeAddresses.ipv6,
    client: 'fd99:9::1',
    resolver: 'fd96::10'
  }
}

/** A pod and a peer that is its gateway, as two namespaces joined by a veth pair. */
export interface Bench extends AsyncDisposable {
  readonly pod: Netns
  readonly peer: Netns
  /** A command in a namespace that must succeed; gives its output. */
  sh(netns: Netns, command: string): Promise<string>
  /** A server whose connections say who came and where to. */
  serve(netns: Netns, ip: string, port: number, options?: { mark?: number; transparent?: boolean }): Promise<Server>
}

export interface Server {
  /** Accepted so far, oldest first. */
  readonly seen: { from: string; original: string }[]
}

export async function createBench(): Promise<Bench> {
  const pod = createNetns()
  const peer = createNetns()
  const servers: net.Server[] = []
  const sockets = new Set<net.Socket>()
  const sh = async (netns: Netns, command: string): Promise<string> => {
    const result: RunResult = await run(netns, 'sh', ['-c', command])
    if (result.code !== 0) throw new Error(`${command}: status ${result.code}: ${result.stderr}`)
    return result.stdout
  }
  await sh(
    peer,
    `ip link set lo up
     ip link add veth0 type veth peer name eth0 netns /proc/${process.pid}/fd/${pod.fd}
     ip addr add ${peerIp}/24 dev veth0; ip addr add ${defaultProbeAddresses.ipv4}/32 dev lo; ip link set veth0 up
     ip addr add fd77::1/64 dev veth0 nodad; ip addr add ${defaultProbeAddresses.ipv6}/128 dev lo nodad`
  )
  await sh(
    pod,
    `ip link set lo up; ip addr add ${podIp}/24 dev eth0; ip link set eth0 up; ip route add default via ${peerIp}
     ip addr add fd77::2/64 dev eth0 nodad; ip route add default via fd77::1`
  )
  return {
    pod,
    peer,
    sh,
    async serve(netns, ip, port, options = {}) {
      const seen: Server['seen'] = []
      const { fd } = listenTcp(netns, {
        ip,
        port,
        ...(options.mark !== undefined && { mark: options.mark }),
        ...(options.transparent && { transparent: 'require' })
      })
      const server = net.createServer(socket => {
        sockets.add(socket)
        socket.on('error', () => {})
        const original = originalDestination(socket)
        seen.push({
          from: socket.remoteAddress!.replace('::ffff:', ''),
          original: original ? `${original.ip}:${original.port}` : ''
        })
        socket.write('hello')
      })
      servers.push(server)
      server.listen({ fd })
      await once(server, 'listening')
      return { seen }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) {
        server.close()
        await once(server, 'close')
      }
      pod.close()
      peer.close()
    }
  }
}

/** Capture with what it ran and said recorded. */
export interface RecordedCapture {
  readonly capture: TrafficCapture
  readonly ran: string[]
  readonly warnings: string[]
}

export async function capturing(
  backend: CaptureBackend,
  options: { host: Netns; ipv6?: boolean; dnsCapture?: boolean; reconcile?: boolean; procRoot?: string }
): Promise<RecordedCapture> {
  const ran: string[] = []
  const warnings: string[] = []
  const recorded: RunProgram = (netns, command, args, given) => {
    ran.push([command, ...args].join(' '))
    return run(netns, command, args, given)
  }
  const capture = await createTrafficCapture({
    backend,
    settings: {
      dnsCapture: options.dnsCapture ?? true,
      ipv6: options.ipv6 ?? false,
      probe: defaultProbeAddresses
    },
    reconcile: options.reconcile ?? false,
    host: options.host,
    procRoot: options.procRoot ?? '/proc',
    log: { debug() {}, info() {}, warn: message => warnings.push(message) },
    run: recorded
  })
  ran.length = 0
  return { capture, ran, warnings }
}
