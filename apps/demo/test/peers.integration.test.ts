// The mesh with programs of Istio's in our programs' places: see peer-programs.ts.
import { daemonSets, pods } from '@culvert/kubernetes'
import { type Image, labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import type { Display } from '../src/display.ts'
import { images } from '../src/mesh.ts'
import { runDemo } from '../src/run-demo.ts'
import { type Mesh, pod, startMesh } from './mesh-fixture.ts'
import {
  lacking,
  needing,
  onNode,
  ourZtunnel,
  type PeerProgram,
  peerIstiod,
  peerNodeAgent,
  peerZtunnel
} from './peer-programs.ts'

const unsupported = labUnsupported() !== undefined

const istiod = (): Record<string, Image> => ({ 'culvert/istiod-lite': peerIstiod() })
const agent = (): Record<string, Image> => ({ 'culvert/node-agent': peerNodeAgent() })
const ztunnel = (image: Image): Record<string, Image> => ({ 'culvert/ztunnel': image })
const mixed = (): Record<string, Image> => ztunnel(onNode('node-1', peerZtunnel(), ourZtunnel))

/** Which programs are Istio's. Traffic goes both ways between the nodes, so each mixture has every pair in both roles. */
const mixtures: readonly (readonly [string, readonly PeerProgram[], () => Record<string, Image>])[] = [
  ['ztunnel on both nodes', ['ZTUNNEL'], () => ztunnel(peerZtunnel())],
  ['ztunnel on node-1', ['ZTUNNEL'], mixed],
  ['istiod', ['ISTIOD'], istiod],
  ['node agent and CNI plugin', ['CNI'], agent],
  ['istiod, node agent and CNI plugin', ['ISTIOD', 'CNI'], () => ({ ...istiod(), ...agent() })],
  ['ztunnel on node-1, istiod', ['ZTUNNEL', 'ISTIOD'], () => ({ ...mixed(), ...istiod() })],
  ['ztunnel on node-1, node agent and CNI plugin', ['ZTUNNEL', 'CNI'], () => ({ ...mixed(), ...agent() })],
  ['all but the ztunnel on node-2', ['ZTUNNEL', 'ISTIOD', 'CNI'], () => ({ ...mixed(), ...istiod(), ...agent() })]
]

const details = 'http://details:9080/details/0'
const menu = 'http://menu:9080/details/0'

/** A pod on node-2 that asks, and one on node-1 that answers: the other direction of what the fixture has. */
async function bothWays({ cluster }: Mesh): Promise<void> {
  await cluster.apply(pod('visitor', 'node-2', ['wanderer']))
  await cluster.apply(`${pod('menu', 'node-1', ['details'])}
---
apiVersion: v1
kind: Service
metadata: { name: menu, namespace: shop }
spec:
  selector: { app: menu }
  ports: [{ name: http, port: 9080 }]
`)
  await cluster.pods.ready({ namespace: 'shop', count: 5 })
}

/**
 * What any mixture must do: names and service addresses, both directions across the nodes inside mutual TLS, policy on new
 * and on open connections.
 */
async function works(mesh: Mesh): Promise<void> {
  const { cluster } = mesh
  await bothWays(mesh)
  await using capture = await cluster.capture({ filter: 'tcp and port 9080' })
  for (const [from, url] of [
    ['customer', details],
    ['visitor', menu]
  ] as const) {
    await mesh.eventually(`${from} reaches ${url}`, () => mesh.ask(from, url))
  }
  await capture.stop()
  expect(
    (await capture.packets()).filter(({ payload }) => payload.length > 0),
    'plain text between the nodes'
  ).toEqual([])
  for (const policy of [nobodyTo('details'), noneOfShopTo('details')]) {
    await refusedBy(mesh, policy, 'customer', details)
    await mesh.eventually('the other service is as it was', () => mesh.ask('visitor', menu))
    await cluster.remove(policy)
    await mesh.eventually('allowed again', () => mesh.ask('customer', details))
  }
  await refusedBy(mesh, noneOfShopTo('menu'), 'visitor', menu)
  await cutsWhatIsOpen(mesh)
}

async function refusedBy(mesh: Mesh, policy: string, from: string, url: string): Promise<void> {
  await mesh.cluster.apply(policy)
  await mesh.eventually(`${from} is refused`, async () =>
    (await mesh.ask(from, url)) === undefined ? true : undefined
  )
}

/** The customer's connection to the store is in use all the time. */
async function cutsWhatIsOpen(mesh: Mesh): Promise<void> {
  const inTunnel = await mesh.eventually('the customer’s connection', async () => {
    const last = (await mesh.customer()).at(-1) ?? ''
    return /connection (\d+) answers/.exec(last)?.[1]
  })
  await mesh.cluster.apply(noneOfShop)
  await mesh.eventually('the open connection is cut', async () =>
    (await mesh.customer()).some(line => line.startsWith(`regular: connection ${inTunnel} lost`)) ? true : undefined
  )
  await mesh.cluster.remove(noneOfShop)
  await mesh.eventually('and one works again', async () =>
    (await mesh.customer()).at(-1)?.endsWith(`connection ${Number(inTunnel) + 1} answers`) ? true : undefined
  )
}

const denyShop = `  action: DENY
  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/default] } }] }]
`

const nobodyTo = (app: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody-to-${app}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${app} } }
  action: ALLOW
`

const noneOfShopTo = (app: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: none-of-shop-to-${app}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${app} } }
${denyShop}`

/** Of the namespace, so that it also concerns connections of workloads as they were (docs/spec/authorization.md 3.6). */
const noneOfShop = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: none-of-shop, namespace: shop }
spec:
${denyShop}`

/** Asks both ways without a pause while `act` runs; the failures. */
async function failuresWhile(mesh: Mesh, act: () => Promise<void>): Promise<string[]> {
  const failures: string[] = []
  let over = false
  const asking = [
    ['customer', details],
    ['visitor', menu]
  ].map(async ([from = '', url = '']) => {
    while (!over) if ((await mesh.ask(from, url)) === undefined) failures.push(`${from} → ${url}`)
  })
  try {
    await act()
  } finally {
    over = true
    await Promise.all(asking)
  }
  return failures
}

const namespace = 'istio-system'

/** A second DaemonSet with this program; when it is ready the first one goes, and drains. */
async function handOver({ cluster }: Mesh, image: Image): Promise<void> {
  const first = await cluster.client.get(daemonSets, { namespace, name: 'ztunnel' })
  const labels = { app: 'ztunnel-next' }
  cluster.registerImage('culvert/ztunnel-next', image)
  const { template } = first!.spec!
  const [container] = template.spec!.containers
  await cluster.client.create(daemonSets, {
    metadata: { namespace, name: 'ztunnel-next', labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } },
        spec: { ...template.spec!, containers: [{ ...container!, image: 'culvert/ztunnel-next' }] }
      }
    }
  })
  await cluster.rollout('DaemonSet', { namespace, name: 'ztunnel-next' })
  const old = (await cluster.client.list(pods, { namespace, labelSelector: 'app=ztunnel' })).items
  await cluster.client.delete(daemonSets, { namespace, name: 'ztunnel' })
  for (const { metadata } of old) {
    const ref = { namespace, name: metadata!.name! }
    await cluster.waitFor(pods, ref, now => now === undefined, {
      timeout: 60_000,
      description: 'the old proxy is gone'
    })
  }
}

/** Serial numbers of the leaf of `shop`, as the node proxies show them. */
async function serials(ports: readonly number[]): Promise<string[]> {
  return await Promise.all(
    ports.map(async port => {
      const dump = (await (await fetch(`http://127.0.0.1:${port}/config_dump`)).json()) as {
        certificates: { identity: string; certChain: { serialNumber: string }[] }[]
      }
      const entry = dump.certificates.find(({ identity }) => identity.endsWith('/ns/shop/sa/default'))
      return entry?.certChain[0]?.serialNumber ?? ''
    })
  )
}

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

/** Each of them starts a cluster, and the old proxies' grace period may be waited for. */
const longest = 180_000

describe('beside Istio’s programs', () => {
  for (const [title, programs, replaced] of mixtures) {
    it.skipIf(unsupported || lacking(...programs))(
      `Istio’s ${title}${needing(...programs)}`,
      async () => {
        await using mesh = await startMesh(replaced())
        await works(mesh)
      },
      longest
    )
  }

  it.skipIf(unsupported || lacking('ZTUNNEL'))(
    `the whole demonstration with Istio’s ztunnel${needing('ZTUNNEL')}`,
    async () => {
      const lines: string[] = []
      const line = (text = ''): void => void lines.push(text)
      const display: Display = {
        status: () => undefined,
        line,
        heading: line,
        done: line,
        current: () => '',
        elapsed: () => '',
        close: () => undefined
      }
      const status = await runDemo({ keep: false }, display, new AbortController().signal, {
        ...images,
        ...ztunnel(peerZtunnel())
      })
      expect(status, lines.join('\n')).toBe(0)
    },
    longest
  )

  it.skipIf(unsupported || lacking('ZTUNNEL')).each<[string, () => [Image, Image]]>([
    ['ours after Istio’s', () => [peerZtunnel(), ourZtunnel]],
    ['Istio’s after ours', () => [ourZtunnel, peerZtunnel()]]
  ])(
    `hands over without a failed connection: %s${needing('ZTUNNEL')}`,
    async (_, order) => {
      const [first, second] = order()
      await using mesh = await startMesh(ztunnel(first))
      await bothWays(mesh)
      await mesh.eventually(
        'traffic both ways',
        async () => (await mesh.ask('customer', details)) && (await mesh.ask('visitor', menu))
      )
      expect(await failuresWhile(mesh, () => handOver(mesh, second))).toEqual([])
    },
    longest
  )

  it.skipIf(unsupported || lacking('ZTUNNEL'))(
    `both have the same metric families, with the same labels${needing('ZTUNNEL')}`,
    async () => {
      await using mesh = await startMesh(mixed())
      await bothWays(mesh)
      for (const policy of [noneOfShopTo('details'), noneOfShopTo('menu')]) await mesh.cluster.apply(policy)
      await mesh.eventually('refused both ways', async () => {
        const answers = [await mesh.ask('customer', details), await mesh.ask('visitor', menu)]
        return answers.every(answer => answer === undefined) ? true : undefined
      })
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
      await using mesh = await startMesh(ztunnel(image))
      await bothWays(mesh)
      await mesh.cluster.apply(`${lonely('node-1')}\n---\n${lonely('node-2')}`)
      await mesh.eventually(
        'traffic both ways',
        async () => (await mesh.ask('customer', details)) && (await mesh.ask('visitor', menu))
      )
      for (const app of ['details', 'menu']) await mesh.cluster.apply(nobodyTo(app))
      await mesh.eventually('refused both ways', async () => {
        const answers = [await mesh.ask('customer', details), await mesh.ask('visitor', menu)]
        return answers.every(answer => answer === undefined) ? true : undefined
      })
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

  it.skipIf(unsupported || lacking('ZTUNNEL'))(
    `certificates change on both sides without a failed connection${needing('ZTUNNEL')}`,
    async () => {
      // Renewed at half of life, which began two minutes before it was issued: every 5 s (docs/spec/identity-ca.md 4.4).
      const image = { ...onNode('node-1', peerZtunnel(), ourZtunnel), env: { SECRET_TTL: '130s' } }
      await using mesh = await startMesh(ztunnel(image))
      await bothWays(mesh)
      await mesh.eventually(
        'traffic both ways',
        async () => (await mesh.ask('customer', details)) && (await mesh.ask('visitor', menu))
      )
      const ports: number[] = []
      for (const { metadata } of (await mesh.cluster.client.list(pods, { namespace, labelSelector: 'app=ztunnel' }))
        .items)
        ports.push((await mesh.cluster.pods.forward({ namespace, name: metadata!.name! }, 15000)).port)
      const failures = await failuresWhile(mesh, async () => {
        for (let round = 0; round < 2; round += 1) {
          const before = await serials(ports)
          await mesh.eventually('both have a new certificate', async () =>
            (await serials(ports)).every((serial, i) => serial !== before[i]) ? true : undefined
          )
        }
      })
      expect(failures).toEqual([])
    },
    longest
  )
})
