import type { V1Container, V1Pod, V1PodSpec, V1Probe, V1Volume } from '@kubernetes/client-node'
import type { Strategy } from '../strategy.ts'
import { validatePod } from '../validation/pod.ts'
import { fill, listOf, textQuantities } from './fill.ts'

export const podStrategy: Strategy = {
  defaults: pod => defaultPodSpec(pod.spec),
  prepareCreate(pod) {
    const { status: _, ...rest } = pod as unknown as V1Pod
    pod.status = { phase: 'Pending', qosClass: qosClass(rest.spec) }
  },
  validate: (pod, old) => validatePod(pod as unknown as V1Pod, old as unknown as V1Pod | undefined)
}

/** Kubernetes' defaults of everything below a pod's (or a template's) spec. Leaves what is malformed to validation. */
export function defaultPodSpec(given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return
  const spec = given as V1PodSpec
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler'
  })
  // The two names of the account are kept alike; the older one gives way.
  const account = spec.serviceAccountName ?? spec.serviceAccount
  if (account !== undefined) fill(spec, { serviceAccountName: account, serviceAccount: account })
  if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName
  for (const container of [...listOf(spec.containers), ...listOf(spec.initContainers)]) {
    defaultContainer(container, spec.hostNetwork === true)
  }
  for (const volume of listOf(spec.volumes)) defaultVolume(volume)
}

function defaultContainer(container: V1Container, hostNetwork: boolean): void {
  fill(container, {
    imagePullPolicy: pullPolicy(container.image),
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File'
  })
  for (const port of listOf(container.ports)) {
    fill(port, { protocol: 'TCP', ...(hostNetwork ? { hostPort: port.containerPort } : {}) })
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) defaultProbe(probe)
  }
  for (const { valueFrom } of listOf(container.env)) {
    if (valueFrom?.fieldRef !== undefined) fill(valueFrom.fieldRef, { apiVersion: 'v1' })
  }
  for (const hook of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (hook?.httpGet !== undefined) fill(hook.httpGet, { path: '/', scheme: 'HTTP' })
  }
  const { resources } = container
  if (resources === undefined) return
  textQuantities(resources.limits)
  textQuantities(resources.requests)
  // What is limited and not requested is requested as far as it is limited.
  if (resources.limits !== undefined) resources.requests = { ...resources.limits, ...resources.requests }
}

function defaultProbe(probe: V1Probe): void {
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
  if (probe.httpGet !== undefined) fill(probe.httpGet, { path: '/', scheme: 'HTTP' })
  if (probe.grpc !== undefined) fill(probe.grpc, { service: '' })
}

const volumeMode = 0o644

function defaultVolume(volume: V1Volume): void {
  if (Object.keys(volume).every(key => key === 'name')) volume.emptyDir = {}
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected]) {
    if (source !== undefined) fill(source, { defaultMode: volumeMode })
  }
  if (volume.hostPath !== undefined) fill(volume.hostPath, { type: '' })
  const items = [...listOf(volume.downwardAPI?.items)]
  for (const source of listOf(volume.projected?.sources)) {
    if (source.serviceAccountToken !== undefined) fill(source.serviceAccountToken, { expirationSeconds: 3600 })
    items.push(...listOf(source.downwardAPI?.items))
  }
  for (const { fieldRef } of items) if (fieldRef !== undefined) fill(fieldRef, { apiVersion: 'v1' })
}

/** A moving tag is pulled each time. */
function pullPolicy(image: unknown): string {
  if (typeof image !== 'string') return 'IfNotPresent'
  const name = image.slice(image.lastIndexOf('/') + 1)
  if (name.includes('@')) return 'IfNotPresent'
  const tag = name.includes(':') ? name.slice(name.indexOf(':') + 1) : 'latest'
  return tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function qosClass(spec: V1PodSpec | undefined): string {
  const resources = listOf(spec?.containers).map(container => container.resources ?? {})
  const none = resources.every(({ limits, requests }) => isEmpty(limits) && isEmpty(requests))
  if (none) return 'BestEffort'
  const guaranteed = resources.every(({ limits, requests }) =>
    ['cpu', 'memory'].every(name => limits?.[name] !== undefined && limits[name] === requests?.[name])
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

const isEmpty = (value: object | undefined): boolean => value === undefined || Object.keys(value).length === 0
