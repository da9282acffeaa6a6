import type { InformerHandler, KubernetesObject, V1Namespace, V1Pod } from '@culvert/kubernetes'
import { expect, it } from 'vitest'
import { ambientLabel, chartSelectors, namespaceOf, podOf } from '../../test/objects.ts'
import { NodeAgentError } from '../errors.ts'
import { createPodController, type EventType, type PodController } from './pod-controller.ts'

/** An informer's cache and handler list, moved by the test. */
function fakeInformer<T extends KubernetesObject>() {
  const objects = new Map<string, T>()
  const handlers: InformerHandler<T>[] = []
  const key = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`
  const keyOf = (object: T): string => key(object.metadata?.namespace, object.metadata!.name!)
  return {
    get: (namespace: string | undefined, name: string): T | undefined => objects.get(key(namespace, name)),
    list: () => [...objects.values()],
    on(handler: InformerHandler<T>) {
      handlers.push(handler)
      for (const object of objects.values()) handler.added?.(object, true)
      return () => void handlers.splice(handlers.indexOf(handler), 1)
    },
    set(object: T) {
      const old = objects.get(keyOf(object))
      objects.set(keyOf(object), object)
      for (const handler of handlers) old ? handler.updated?.(old, object) : handler.added?.(object, false)
    },
    remove(object: T) {
      objects.delete(keyOf(object))
      for (const handler of handlers) handler.deleted?.(object)
    }
  }
}

function bench(options: { exclude?: string[]; clockless?: boolean } = {}) {
  const pods = fakeInformer<V1Pod>()
  const namespaces = fakeInformer<V1Namespace>()
  const calls: string[] = []
  const counts: Record<EventType, number> = { add: 0, update: 0, delete: 0 }
  const failures: Error[] = []
  const delays: number[] = []
  const attempt = async (call: string): Promise<void> => {
    calls.push(call)
    const failure = failures.shift()
    if (failure) throw failure
  }
  const controller: PodController = createPodController({
    pods,
    namespaces,
    selectors: chartSelectors,
    excludeNamespaces: options.exclude ?? [],
    systemNamespace: 'istio-system',
    onEvent: type => counts[type]++,
    log: { debug() {}, info() {}, warn() {} },
    // Retries come at once; how long they should wait is kept.
    clock: {
      now: () => 0,
      after(milliseconds, call) {
        delays.push(milliseconds)
        setImmediate(call)
        return () => {}
      }
    },
    enrolment: {
      add: (pod, ips) => attempt(`add ${pod.metadata?.name} ${ips}`),
      remove: (pod, { deleted }) => attempt(`remove ${pod.metadata?.name} deleted=${deleted} ${pod.status?.podIP}`),
      addAddresses: (pod, ips) => attempt(`addresses ${pod.metadata?.name} ${ips}`),
      createRules: async () => {}
    }
  })
  /** Lets the queue run dry. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  return { pods, namespaces, calls, counts, failures, delays, controller, settle }
}

it('[cni-24] a pod joins when its namespace is labelled, once', async () => {
  const { pods, namespaces, calls, counts, controller, settle } = bench()
  namespaces.set(namespaceOf('shop'))
  pods.set(podOf('till-0', { ips: ['10.42.3.17'] }))
  await settle()
  expect(counts).toEqual({ add: 0, update: 0, delete: 0 })
  controller.start()
  await settle()
  expect(calls).toEqual([])
  namespaces.set(namespaceOf('shop', ambientLabel))
  await settle()
  expect(calls).toEqual(['add till-0 10.42.3.17'])
  pods.set(podOf('till-0', { ips: ['10.42.3.17'], redirection: 'enabled' }))
  await settle()
  expect(calls).toHaveLength(1)
  expect(counts).toEqual({ add: 2, update: 4, delete: 0 })
})

it('[cni-25] a final failure is not tried again until the pod changes', async () => {
  const { pods, namespaces, calls, failures, delays, controller, settle } = bench()
  namespaces.set(namespaceOf('shop', ambientLabel))
  pods.set(podOf('till-0', { ips: ['10.42.3.17'] }))
  failures.push(new NodeAgentError('AGENT_POD_RULES', 'iptables said no'))
  controller.start()
  await settle()
  expect(calls).toEqual(['add till-0 10.42.3.17'])
  expect(delays).toEqual([])
  pods.set(podOf('till-0', { ips: ['10.42.3.17'], labels: { changed: 'yes' } }))
  await settle()
  expect(calls).toHaveLength(2)
})

it('tries again while no ztunnel takes the pod, slower each time', async () => {
  const { pods, namespaces, calls, failures, delays, counts, controller, settle } = bench()
  namespaces.set(namespaceOf('shop', ambientLabel))
  pods.set(podOf('till-0', { ips: ['10.42.3.17'] }))
  failures.push(...[1, 2, 3].map(() => new NodeAgentError('AGENT_ZTUNNEL', 'no ztunnel connection')))
  controller.start()
  await settle()
  expect(calls).toHaveLength(4)
  expect(delays).toEqual([5, 10, 20])
  expect(counts).toEqual({ add: 2, update: 4, delete: 0 })
})

it('[cni-27] the label taken away: removed once as not deleted, again if that fails', async () => {
  const { pods, namespaces, calls, failures, controller, settle } = bench()
  namespaces.set(namespaceOf('shop', ambientLabel))
  const enrolled = podOf('till-0', { ips: ['10.42.3.17'], redirection: 'enabled' })
  pods.set(enrolled)
  controller.start()
  await settle()
  expect(calls).toEqual([])
  failures.push(new NodeAgentError('AGENT_PROBE_SET', 'busy'))
  namespaces.set(namespaceOf('shop'))
  await settle()
  expect(calls).toEqual(Array(2).fill('remove till-0 deleted=false 10.42.3.17'))
})

it('[cni-28] a deleted pod that was enrolled is removed as deleted', async () => {
  const { pods, namespaces, calls, controller, settle } = bench()
  namespaces.set(namespaceOf('shop'))
  controller.start()
  pods.remove(podOf('till-0', { ips: ['10.42.3.17'], redirection: 'enabled' }))
  await settle()
  expect(calls).toEqual(['remove till-0 deleted=true 10.42.3.17'])
})

it('a finished pod is removed by its old object', async () => {
  const { pods, namespaces, calls, controller, settle } = bench()
  namespaces.set(namespaceOf('shop', ambientLabel))
  pods.set(podOf('job', { ips: ['10.42.3.18'], redirection: 'enabled' }))
  controller.start()
  await settle()
  pods.set(podOf('job', { phase: 'Succeeded', redirection: 'enabled' }))
  await settle()
  expect(calls).toEqual(['remove job deleted=true 10.42.3.18'])
})

it('leaves alone: ztunnel pods, excluded namespaces, pods of unknown namespaces, successors of the same name', async () => {
  const { pods, namespaces, calls, controller, settle } = bench({ exclude: ['kube-system'] })
  namespaces.set(namespaceOf('istio-system', ambientLabel))
  namespaces.set(namespaceOf('kube-system', ambientLabel))
  pods.set(podOf('ztunnel-x', { namespace: 'istio-system', labels: { app: 'ztunnel' }, ips: ['10.0.0.1'] }))
  pods.set(podOf('dns', { namespace: 'kube-system', ips: ['10.0.0.2'] }))
  pods.set(podOf('stray', { namespace: 'unknown', labels: ambientLabel, ips: ['10.0.0.3'] }))
  controller.start()
  await settle()
  pods.set(podOf('stray', { namespace: 'unknown', labels: ambientLabel, ips: ['10.0.0.4'] }))
  await settle()
  expect(calls).toEqual([])
  // A pod that was enrolled before its namespace was excluded leaves.
  pods.set(podOf('dns', { namespace: 'kube-system', ips: ['10.0.0.2'], redirection: 'enabled' }))
  await settle()
  expect(calls).toEqual(['remove dns deleted=false 10.0.0.2'])
})

it('a namespace whose match does not change concerns no pod', async () => {
  const { pods, namespaces, calls, counts, controller, settle } = bench()
  namespaces.set(namespaceOf('shop'))
  pods.set(podOf('till-0', { ips: ['10.42.3.17'] }))
  controller.start()
  await settle()
  namespaces.set(namespaceOf('shop', { team: 'tills' }))
  await settle()
  expect(calls).toEqual([])
  expect(counts).toEqual({ add: 2, update: 2, delete: 0 })
})

it('works on nothing before it is started, and on nothing after it is stopped', async () => {
  const { pods, namespaces, calls, controller, settle } = bench()
  namespaces.set(namespaceOf('shop', ambientLabel))
  pods.set(podOf('till-0', { ips: ['10.42.3.17'] }))
  await settle()
  await controller.stop()
  controller.start()
  await settle()
  expect(calls).toEqual([])
})
