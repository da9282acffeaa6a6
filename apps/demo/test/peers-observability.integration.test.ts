// What operators see of our ztunnel and of Istio's, side by side: see peer-programs.ts.
import { labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import { type Mesh, startMesh } from './mesh-fixture.ts'
import { lacking, needing, onNode, ourZtunnel, peerZtunnel } from './peer-programs.ts'
import { longest, nobodyTo, noneOfShopTo, refusedBothWays, trafficBothWays } from './peer-traffic.ts'

const unsupported = labUnsupported() !== undefined
const namespace = 'istio-system'

/** Type, unit and label names of each family that a node proxy shows. */
async function families(mesh: Mesh, node: string): Promise<ReadonlyMap<string, string>> {
  const { metadata } = await mesh.program('app=ztunnel', node)
  await using forward = await mesh.cluster.pods.forward({ namespace, name: metadata!.name! }, 15020)
  const body = await (await fetch(`http://127.0.0.1:${forward.port}/metrics`)).text()
  const found = new Map<string, string>()
  let current = ''
  for (const line of body.split('\n')) {
    const [, what, name = '', value] = /^# (TYPE|UNIT) (\S+) (\S+)/.exec(line) ?? []
    if (what !== undefined) {
      current = name
      found.set(name, `${found.get(name) ?? ''} ${what} ${value}`)
    } else if (!line.startsWith('#') && line !== '') {
      const labels = [...(/\{(.*)\}/.exec(line)?.[1] ?? '').matchAll(/([a-z_]+)="[^"]*"/g)].map(([, label]) => label)
      const sample = ` ${line.slice(0, line.search(/[{ ]/))}{${labels}}`
      if (!found.get(current)?.includes(sample)) found.set(current, found.get(current) + sample)
    }
  }
  return found
}

/** A service that nobody stands behind. */
const lonely = (name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: lonely-${name}, namespace: shop }
spec:
  selector: { app: nobody }
  ports: [{ name: http, port: 80 }]
`

/**
 * The first line of each kind that a node proxy wrote about connections between these pods: level, direction and error, with
 * its fields in order, and in place of each value what kind of value it is.
 */
async function accessShapes(mesh: Mesh, node: string, format: string): Promise<ReadonlyMap<string, string>> {
  const { metadata } = await mesh.program('app=ztunnel', node)
  const lines = (await mesh.cluster.pods.logs({ namespace, name: metadata!.name! })).split('\n')
  const found = new Map<string, string>()
  for (const line of lines) {
    const entry = format === 'json' ? jsonEntry(line) : textEntry(line)
    // Tunnels only: a connection from before the other end joined is logged otherwise.
    if (entry === undefined || (entry.level !== 'warn' && !entry.shape.includes('dst.hbone_addr'))) continue
    const error = entry.error?.replace(/\d+\.\d+\.\d+\.\d+/g, 'IP')
    const kind = [entry.level, entry.direction, error].filter(part => part !== undefined).join(' ')
    if (!found.has(kind)) found.set(kind, entry.shape)
  }
  return found
}

interface LogEntry {
  readonly level: string
  readonly direction: string
  readonly error: string | undefined
  readonly shape: string
}

function textEntry(line: string): LogEntry | undefined {
  const [time = '', level = '', scope, message, fields = '', ...more] = line.split('\t')
  if (scope !== 'access' || more.length > 0) return undefined
  const shape = fields
    .replace(/"[^"]*"/g, '""')
    .replace(/=\d+( |$)/g, '=N$1')
    .replace(/\d+\.\d+\.\d+\.\d+:\d+/g, 'ADDRESS')
  const direction = /direction="(\w+)"/.exec(fields)?.[1] ?? ''
  return {
    level,
    direction,
    error: /error="(.*)"$/.exec(fields)?.[1],
    shape: `${time.replace(/\d/g, '0')} ${message} ${shape}`
  }
}

function jsonEntry(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined
  const entry = JSON.parse(line) as Record<string, unknown>
  if (entry.scope !== 'access') return undefined
  const shape = Object.entries(entry).map(([key, value]) => `${key}:${typeof value}`)
  return {
    level: String(entry.level),
    direction: String(entry.direction),
    error: entry.error === undefined ? undefined : String(entry.error),
    shape: shape.join(' ')
  }
}

describe('our ztunnel and Istio’s, observed', () => {
  it.skipIf(unsupported || lacking('ZTUNNEL'))(
    `both have the same metric families, with the same labels${needing('ZTUNNEL')}`,
    async () => {
      await using mesh = await startMesh({ 'culvert/ztunnel': onNode('node-1', peerZtunnel(), ourZtunnel) })
      await trafficBothWays(mesh)
      for (const policy of [noneOfShopTo('details'), noneOfShopTo('menu')]) await mesh.cluster.apply(policy)
      await refusedBothWays(mesh)
      // A name that is forwarded, and a connection that cannot be made.
      for (const url of ['http://elsewhere.example:80/', 'http://store:9/']) {
        for (const from of ['customer', 'visitor']) expect(await mesh.ask(from, url)).toBeUndefined()
      }
      const [theirs, ours] = await Promise.all(['node-1', 'node-2'].map(node => families(mesh, node)))
      // Whether a stream to the control plane has ended yet depends on who started first.
      const perhaps = 'istio_xds_connection_terminations'
      const runtime = /^(tokio|process)_/
      const of = (all: ReadonlyMap<string, string>) =>
        Object.fromEntries([...all].filter(([name]) => name !== perhaps && !runtime.test(name)).sort())
      expect(of(ours!)).toEqual(of(theirs!))
      expect([...ours!.keys()]).toEqual(
        expect.arrayContaining([
          'process_open_fds',
          'process_max_fds',
          'istio_tcp_connections_failed',
          'istio_dns_upstream_request_duration_seconds',
          'istio_xds_message_bytes'
        ])
      )
    },
    longest
  )

  it.skipIf(unsupported || lacking('ZTUNNEL')).each(['text', 'json'])(
    `both write the same access log, as %s${needing('ZTUNNEL')}`,
    async format => {
      const image = { ...onNode('node-1', peerZtunnel(), ourZtunnel), env: { LOG_FORMAT: format } }
      await using mesh = await startMesh({ 'culvert/ztunnel': image })
      await trafficBothWays(mesh)
      await mesh.cluster.apply(`${lonely('node-1')}\n---\n${lonely('node-2')}`)
      for (const app of ['details', 'menu']) await mesh.cluster.apply(nobodyTo(app))
      await refusedBothWays(mesh)
      const kinds = [
        'info outbound',
        'info inbound',
        'error outbound http status: 401 Unauthorized',
        'error inbound connection closed due to policy rejection: allow policies exist, but none allowed',
        'warn outbound no healthy upstream: IP:80'
      ]
      const shapes = await mesh.eventually('a line of each kind from both', async () => {
        for (const [from, node] of [
          ['customer', 'node-1'],
          ['visitor', 'node-2']
        ] as const) {
          await mesh.ask(from, `http://lonely-${node}:80/`)
        }
        const found = await Promise.all(['node-1', 'node-2'].map(node => accessShapes(mesh, node, format)))
        return found.every(shape => kinds.every(kind => shape.has(kind))) ? found : undefined
      })
      const [theirs, ours] = shapes
      for (const kind of kinds) expect(ours?.get(kind), kind).toEqual(theirs?.get(kind))
    },
    longest
  )
})
