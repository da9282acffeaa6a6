import { pods, type V1Pod } from '@culvert/kubernetes'
import { labUnsupported } from '@culvert/lab'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { label, type Mesh, pod, startMesh } from './mesh-fixture.ts'

const unsupported = labUnsupported()

describe.skipIf(unsupported !== undefined)(
  `programs that are killed and started again${unsupported ? ` (skipped: ${unsupported})` : ''}`,
  () => {
    let mesh: Mesh
    beforeAll(async () => {
      mesh = await startMesh()
    })
    afterAll(async () => {
      await mesh?.[Symbol.asyncDispose]()
    })

    const details = 'http://details:9080/details/0'
    const answers = (): Promise<string> => mesh.eventually('details answers', () => mesh.ask('customer', details))
    const ready = (one: V1Pod): boolean =>
      one.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
    const restarted = async (before: V1Pod): Promise<void> => {
      const ref = { namespace: before.metadata!.namespace!, name: before.metadata!.name! }
      await mesh.cluster.waitFor(
        pods,
        ref,
        now => now !== undefined && (now.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 && ready(now)
      )
    }
    const applications = async (): Promise<string[]> =>
      (await mesh.cluster.client.list(pods, { namespace: 'shop' })).items
        .map(one => `${one.metadata!.uid} ${one.status?.containerStatuses?.[0]?.restartCount}`)
        .sort()

    it('istiod: connections and new connections go on meanwhile, and what changed is learnt afterwards', async () => {
      await answers()
      const before = await applications()
      const connections = (await mesh.customer()).length
      const istiod = await mesh.program('app=istiod')
      mesh.kill(istiod)
      expect(await mesh.ask('customer', details)).toContain('Culvert Press')
      await restarted(istiod)
      await mesh.cluster.apply(denyDetails)
      await mesh.eventually('the new policy holds', async () =>
        (await mesh.ask('customer', details)) === undefined ? true : undefined
      )
      await mesh.cluster.remove(denyDetails)
      await answers()
      expect((await mesh.customer()).length, 'the open connection lived on').toBe(connections)
      expect(await applications()).toEqual(before)
    })

    it('node agent: connections and new connections go on meanwhile, and new pods join afterwards', async () => {
      await answers()
      const before = await applications()
      const connections = (await mesh.customer()).length
      const agent = await mesh.program('k8s-app=istio-cni-node', 'node-1')
      mesh.kill(agent)
      expect(await mesh.ask('customer', details)).toContain('Culvert Press')
      await restarted(agent)
      expect((await mesh.customer()).length, 'the open connection lived on').toBe(connections)
      expect(await applications()).toEqual(before)
      await mesh.cluster.apply(pod('late', 'node-1', ['wanderer']))
      const [late] = await mesh.cluster.pods.ready({ namespace: 'shop', name: 'late' })
      expect(late!.metadata!.annotations).toMatchObject({ 'ambient.istio.io/redirection': 'enabled' })
      expect(await mesh.ask('late', details)).toContain('Culvert Press')
    })

    it.each(['node-1', 'node-2'])('ztunnel on %s: new connections work again without touching pods', async node => {
      await answers()
      const before = await applications()
      const ztunnel = await mesh.program('app=ztunnel', node)
      mesh.kill(ztunnel)
      await restarted(ztunnel)
      await answers()
      expect(await applications()).toEqual(before)
    })

    it('leaves no capture behind when the namespace leaves', async () => {
      await label(mesh.cluster, 'shop', { 'istio.io/dataplane-mode': null })
      await mesh.eventually('every pod has left', async () =>
        (await mesh.cluster.client.list(pods, { namespace: 'shop' })).items.every(
          one => one.metadata?.annotations?.['ambient.istio.io/redirection'] === undefined
        )
          ? true
          : undefined
      )
      const { stdout } = await mesh.cluster.pods.exec({ namespace: 'shop', name: 'customer' }, [
        '/bin/sh',
        '-c',
        'iptables-save; ip rule'
      ])
      expect(stdout).not.toMatch(/ISTIO_|0x111/)
      await answers()
    })
  }
)

const denyDetails = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
spec:
  selector: { matchLabels: { app: details } }
  action: ALLOW
`
