// The mesh with programs of Istio's in our programs' places: see peer-programs.ts.
import { type Image, labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import type { Display } from '../src/display.ts'
import { images } from '../src/mesh.ts'
import { runDemo } from '../src/run-demo.ts'
import { type Mesh, startMesh } from './mesh-fixture.ts'
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
import { bothWays, details, longest, menu, noneOfShop, noneOfShopTo, nobodyTo } from './peer-traffic.ts'

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
})
