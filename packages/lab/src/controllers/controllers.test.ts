import {
  configMaps,
  daemonSets,
  deployments,
  endpointSlices,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
  type V1DaemonSet,
  type V1Deployment,
  type V1Pod
} from '@culvert/kubernetes'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eventually, startTestCluster, type TestCluster } from './testing/test-cluster.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await startTestCluster()
  await cluster.addNode('one', { zone: 'a' })
  await cluster.addNode('two', { zone: 'b' })
})

afterEach(async () => {
  const { errors } = cluster
  await cluster[Symbol.asyncDispose]()
  expect(errors).toEqual([])
})

const namespace = 'default'
const labels = { app: 'cart' }
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } })

function deployment(replicas: number, image = 'one'): V1Deployment {
  const spec = { replicas, selector: { matchLabels: labels }, template: template(image) }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cart', namespace }, spec }
}

const listPods = async (): Promise<V1Pod[]> => (await cluster.client.list(pods, { namespace })).items
const ref = { namespace, name: 'cart' }
const imageOf = ({ spec }: V1Pod) => spec?.containers[0]?.image
const status = async () => (await cluster.client.get(deployments, ref))?.status

it('gives every namespace an account and the root certificate, and makes them again', async () => {
  const { client, server } = cluster
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
  const account = { namespace: 'shop', name: 'default' }
  const first = await eventually(
    () => client.get(serviceAccounts, account),
    found => found !== undefined
  )
  const root = { namespace: 'shop', name: 'kube-root-ca.crt' }
  await eventually(
    () => client.get(configMaps, root),
    found => found?.data?.['ca.crt'] === server.caCertificate
  )
  await client.delete(serviceAccounts, account)
  await eventually(
    () => client.get(serviceAccounts, account),
    again => again !== undefined && again.metadata?.uid !== first?.metadata?.uid
  )
  await client.delete(namespaces, { name: 'shop' })
  await eventually(
    () => client.get(namespaces, { name: 'shop' }),
    found => found === undefined
  )
})

it('runs a deployment, spreads it over the nodes, scales it and takes it away', async () => {
  const { client } = cluster
  await client.create(deployments, deployment(4))
  await eventually(status, now => now?.availableReplicas === 4 && now.readyReplicas === 4)
  expect((await listPods()).map(({ spec }) => spec?.nodeName).sort()).toEqual(['one', 'one', 'two', 'two'])
  await client.patch(deployments, ref, { spec: { replicas: 1 } }, { type: 'merge' })
  await eventually(listPods, list => list.length === 1)
  await client.delete(deployments, ref)
  await eventually(listPods, list => list.length === 0)
  expect((await client.list(replicaSets, { namespace })).items).toEqual([])
})

it('replaces the pods of a deployment without falling below what must be available', async () => {
  const { client } = cluster
  await client.create(deployments, deployment(4))
  await eventually(status, now => now?.availableReplicas === 4)
  let fewest = Number.POSITIVE_INFINITY
  let most = 0
  const watching = new AbortController()
  const watched = (async () => {
    for await (const _ of client.watch(pods, { namespace, signal: watching.signal })) {
      const list = await listPods()
      fewest = Math.min(
        fewest,
        list.filter(
          pod =>
            pod.metadata?.deletionTimestamp === undefined &&
            pod.status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
        ).length
      )
      most = Math.max(most, list.filter(pod => pod.metadata?.deletionTimestamp === undefined).length)
    }
  })().catch(() => {})
  await client.patch(deployments, ref, { spec: { template: template('two') } }, { type: 'merge' })
  await eventually(listPods, list => list.length === 4 && list.every(pod => imageOf(pod) === 'two'))
  watching.abort()
  await watched
  expect(fewest).toBeGreaterThanOrEqual(3)
  expect(most).toBeLessThanOrEqual(5)
  const sets = (await client.list(replicaSets, { namespace })).items
  expect(sets.map(({ spec }) => spec?.replicas).sort()).toEqual([0, 4])
  // Back to the first template: its ReplicaSet is used again.
  await client.patch(deployments, ref, { spec: { template: template('one') } }, { type: 'merge' })
  await eventually(listPods, list => list.length === 4 && list.every(pod => imageOf(pod) === 'one'))
  expect((await client.list(replicaSets, { namespace })).items).toHaveLength(2)
})

it('stops a rollout whose new pods do not become ready', async () => {
  const { client } = cluster
  await client.create(deployments, deployment(4))
  await eventually(status, now => now?.availableReplicas === 4)
  cluster.readiness = pod => imageOf(pod) !== 'broken'
  await client.patch(deployments, ref, { spec: { template: template('broken') } }, { type: 'merge' })
  await eventually(status, now => now?.updatedReplicas === 2 && now.availableReplicas === 3)
  const list = await listPods()
  expect(list.filter(pod => imageOf(pod) === 'one')).toHaveLength(3)
})

it('keeps one daemon pod on each node it is for, on new nodes too', async () => {
  const { client } = cluster
  const spec = {
    selector: { matchLabels: labels },
    template: { ...template('one'), spec: { ...template('one').spec, nodeSelector: { zone: 'a' } } }
  }
  const set: V1DaemonSet = { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'cart', namespace }, spec }
  await client.create(daemonSets, set)
  const onNodes = async () => (await listPods()).map(pod => `${pod.spec?.nodeName} ${imageOf(pod)}`).sort()
  await eventually(onNodes, names => names.join() === 'one one')
  await cluster.addNode('three', { zone: 'a' })
  await eventually(onNodes, names => names.join() === 'one one,three one')
  const current = await eventually(
    () => client.get(daemonSets, ref),
    now => now?.status?.numberReady === 2
  )
  expect(current?.status).toMatchObject({ desiredNumberScheduled: 2, numberAvailable: 2, numberMisscheduled: 0 })
  const patch = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'two' }]
  await client.patch(daemonSets, ref, patch, { type: 'json' })
  await eventually(onNodes, names => names.join() === 'one two,three two')
  await client.delete(nodes, { name: 'three' })
  await eventually(onNodes, names => names.join() === 'one two')
})

it('waits with a pod until a node fits, and says why', async () => {
  const { client } = cluster
  const pod: V1Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'cart', namespace },
    spec: { nodeSelector: { zone: 'c' }, containers: [{ name: 'main', image: 'one' }] }
  }
  await client.create(pods, pod)
  const read = () => client.get(pods, ref)
  const waiting = await eventually(read, now => now?.status?.conditions?.[0]?.reason === 'Unschedulable')
  expect(waiting?.status?.conditions?.[0]?.message).toBe(
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
  )
  await cluster.addNode('three', { zone: 'c' })
  await eventually(read, now => now?.spec?.nodeName === 'three')
})

it('writes down the endpoints of a service as they come, become ready and go', async () => {
  const { client } = cluster
  cluster.readiness = () => false
  await client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'cart', namespace },
    spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }
  })
  const endpoints = async () => {
    const labelSelector = 'kubernetes.io/service-name=cart'
    return (await client.list(endpointSlices, { namespace, labelSelector })).items.flatMap(
      slice => slice.endpoints ?? []
    )
  }
  await client.create(deployments, deployment(2))
  await eventually(endpoints, list => list.length === 2 && list.every(({ conditions }) => conditions?.ready === false))
  cluster.readiness = () => true
  for (const { metadata } of await listPods()) {
    const patch = { metadata: { annotations: { again: 'yes' } } }
    await client.patch(pods, { namespace, name: metadata!.name! }, patch, { type: 'merge' })
  }
  const ready = await eventually(
    endpoints,
    list => list.length === 2 && list.every(({ conditions }) => conditions?.ready === true)
  )
  expect(ready[0]).toMatchObject({ targetRef: { kind: 'Pod' }, conditions: { serving: true, terminating: false } })
  await client.patch(deployments, ref, { spec: { replicas: 0 } }, { type: 'merge' })
  await eventually(endpoints, list => list.length === 0)
})
