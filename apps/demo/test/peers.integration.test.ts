// The mesh with programs of Istio's in our programs' places: see peer-programs.ts.
import { type Image, labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import { type Mesh, pod, startMesh } from './mesh-fixture.ts'
import {
  onNode,
  ourZtunnel,
  peerCniPath,
  peerIstiod,
  peerIstiodPath,
  peerNodeAgent,
  peerZtunnel,
  peerZtunnelPath
} from './peer-programs.ts'

const unsupported = labUnsupported() !== undefined

/** What any mixture must do: both directions across the nodes inside mutual TLS, policy, late pods, leaving. */
async function works(mesh: Mesh): Promise<void> {
  const { cluster } = mesh
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
  await using capture = await cluster.capture({ filter: 'tcp and port 9080' })
  for (const [from, url] of [
    ['customer', 'http://details:9080/details/0'],
    ['visitor', 'http://menu:9080/details/0']
  ] as const) {
    await mesh.eventually(`${from} reaches ${url}`, () => mesh.ask(from, url))
  }
  await capture.stop()
  expect(
    (await capture.packets()).filter(({ payload }) => payload.length > 0),
    'plain text between the nodes'
  ).toEqual([])
  await cluster.apply(nobody)
  await mesh.eventually('refused by policy', async () =>
    (await mesh.ask('customer', 'http://details:9080/details/0')) === undefined ? true : undefined
  )
  expect(await mesh.ask('visitor', 'http://menu:9080/details/0')).toContain('Culvert Press')
  await cluster.remove(nobody)
  await mesh.eventually('allowed again', () => mesh.ask('customer', 'http://details:9080/details/0'))
}

const nobody = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
spec:
  selector: { matchLabels: { app: details } }
  action: ALLOW
`

describe('beside Istio’s programs', () => {
  it.skipIf(unsupported || !peerZtunnelPath).each<[string, () => Image]>([
    ['on both nodes', peerZtunnel],
    ['on node-1, ours on node-2', () => onNode('node-1', peerZtunnel(), ourZtunnel)]
  ])('Istio’s ztunnel %s (needs CULVERT_PEER_ZTUNNEL)', async (_, image) => {
    await using mesh = await startMesh({ 'culvert/ztunnel': image() })
    await works(mesh)
  })

  it.skipIf(unsupported || !peerIstiodPath)('Istio’s istiod (needs CULVERT_PEER_ISTIOD)', async () => {
    await using mesh = await startMesh({ 'culvert/istiod-lite': peerIstiod() })
    await works(mesh)
  })

  it.skipIf(unsupported || !peerCniPath)('Istio’s node agent and CNI plugin (needs CULVERT_PEER_CNI)', async () => {
    await using mesh = await startMesh({ 'culvert/node-agent': peerNodeAgent() })
    await works(mesh)
  })
})
