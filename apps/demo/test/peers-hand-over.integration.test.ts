// Changes while traffic goes on between our programs and Istio's: see peer-programs.ts.
import { daemonSets, pods, type V1Pod } from '@culvert/kubernetes'
import { type Image, labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import { type Mesh, pod, startMesh } from './mesh-fixture.ts'
import { lacking, needing, onNode, ourZtunnel, type PeerProgram, peerNodeAgent, peerZtunnel } from './peer-programs.ts'
import { details, failuresWhile, longest, trafficBothWays } from './peer-traffic.ts'

const unsupported = labUnsupported() !== undefined
const namespace = 'istio-system'
const ztunnel = (image: Image): Record<string, Image> => ({ 'culvert/ztunnel': image })

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

describe('between our programs and Istio’s', () => {
  it.skipIf(unsupported || lacking('ZTUNNEL')).each<[string, () => [Image, Image]]>([
    ['ours after Istio’s', () => [peerZtunnel(), ourZtunnel]],
    ['Istio’s after ours', () => [ourZtunnel, peerZtunnel()]]
  ])(
    `hands over without a failed connection: %s${needing('ZTUNNEL')}`,
    async (_, order) => {
      const [first, second] = order()
      await using mesh = await startMesh(ztunnel(first))
      await trafficBothWays(mesh)
      expect(await failuresWhile(mesh, () => handOver(mesh, second))).toEqual([])
    },
    longest
  )

  it.skipIf(unsupported || lacking('ZTUNNEL'))(
    `certificates change on both sides without a failed connection${needing('ZTUNNEL')}`,
    async () => {
      // Renewed at half of life, which began two minutes before it was issued: every 5 s (docs/spec/identity-ca.md 4.4).
      const image = { ...onNode('node-1', peerZtunnel(), ourZtunnel), env: { SECRET_TTL: '130s' } }
      await using mesh = await startMesh(ztunnel(image))
      await trafficBothWays(mesh)
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

  const agents: readonly (readonly [string, readonly PeerProgram[], () => Record<string, Image>])[] = [
    ['Istio’s node agent beside our ztunnel', ['CNI'], () => ({ 'culvert/node-agent': peerNodeAgent() })],
    ['our node agent beside Istio’s ztunnel', ['ZTUNNEL'], () => ztunnel(peerZtunnel())]
  ]
  for (const [title, programs, replaced] of agents) {
    it.skipIf(unsupported || lacking(...programs))(
      `starts again without a failed connection: ${title}${needing(...programs)}`,
      async () => {
        await using mesh = await startMesh(replaced())
        await trafficBothWays(mesh)
        const lines = (await mesh.customer()).length
        const failures = await failuresWhile(mesh, async () => {
          const agent = await mesh.program('k8s-app=istio-cni-node', 'node-1')
          mesh.kill(agent)
          const { metadata } = agent
          const started = ({ status }: V1Pod): boolean =>
            (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 &&
            status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
          await mesh.cluster.waitFor(
            pods,
            { namespace, name: metadata!.name! },
            now => now !== undefined && started(now),
            { timeout: 60_000 }
          )
          await mesh.cluster.apply(pod('late', 'node-1', ['wanderer']))
          const [late] = await mesh.cluster.pods.ready({ namespace: 'shop', name: 'late', timeout: 60_000 })
          expect(late!.metadata!.annotations).toMatchObject({ 'ambient.istio.io/redirection': 'enabled' })
        })
        expect(failures).toEqual([])
        expect((await mesh.customer()).length, 'the open connection lived on').toBe(lines)
        expect(await mesh.ask('late', details)).toContain('Culvert Press')
      },
      longest
    )
  }
})
