import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { run } from '@culvert/netns'
import { iperf3Command } from '../load/iperf3.ts'
import { iperfPort, namespace } from '../world/manifests.ts'
import type { Stage } from '../world/stage.ts'

/** A line of `ss -tinHO`. */
export interface SocketLine {
  readonly localPort: number
  readonly peerPort: number
  readonly congestionControl: string
}

export function parseSs(text: string, algorithms: ReadonlySet<string>): SocketLine[] {
  return text.split('\n').flatMap(line => {
    const [, , , local, peer, ...details] = line.trim().split(/\s+/)
    const congestionControl = details.find(word => algorithms.has(word))
    if (local === undefined || peer === undefined || congestionControl === undefined) return []
    return [{ localPort: portOf(local), peerPort: portOf(peer), congestionControl }]
  })
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))

/** The kinds of sockets on the way of a byte, by the pod that they are in and a port. */
const kinds: readonly { title: string; pod: 'client' | 'server'; is: (socket: SocketLine) => boolean }[] = [
  { title: 'load to its proxy', pod: 'client', is: ({ peerPort }) => peerPort === iperfPort },
  { title: 'proxy to the load', pod: 'client', is: ({ localPort }) => localPort === 15001 },
  { title: 'tunnel, sending end', pod: 'client', is: ({ peerPort }) => peerPort === 15008 },
  { title: 'tunnel, receiving end', pod: 'server', is: ({ localPort }) => localPort === 15008 },
  { title: 'proxy to the server', pod: 'server', is: ({ peerPort }) => peerPort === iperfPort },
  { title: 'server to its proxy', pod: 'server', is: ({ localPort }) => localPort === iperfPort }
]

const seconds = 2

/** The congestion control of each kind of socket while bytes pass, as the kernel tells it. */
export async function congestionControls(stage: Stage): Promise<Record<string, string>> {
  const available = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')
  const algorithms = new Set(available.trim().split(/\s+/))
  const command = iperf3Command({ host: stage.serverIp, port: iperfPort, connections: 2, seconds })
  const load = stage.inClient(command, (seconds + 30) * 1_000)
  await setTimeout((seconds * 1_000) / 2)
  const sockets: Record<string, SocketLine[]> = {}
  for (const name of ['client', 'server']) {
    using netns = stage.cluster.pods.netns({ namespace, name })
    sockets[name] = parseSs((await run(netns, 'ss', ['-tinHO'])).stdout, algorithms)
  }
  await load
  return Object.fromEntries(
    kinds.flatMap(({ title, pod, is }) => {
      const found = new Set(sockets[pod]!.filter(is).map(({ congestionControl }) => congestionControl))
      return found.size === 0 ? [] : [[title, [...found].sort().join(', ')]]
    })
  )
}
