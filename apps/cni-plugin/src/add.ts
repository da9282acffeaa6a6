import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient, Pod } from './api-client.ts'
import { type PodReference, readCniArgs } from './cni-args.ts'
import type { CniEnvironment } from './cni-environment.ts'
import { reasonOf } from './cni-error.ts'
import { emptyResult } from './cni-result.ts'
import { isAmbientPod } from './enablement-selector.ts'
import type { ApiServer } from './kubeconfig.ts'
import { type ConfigHead, type NetworkConfig, readNetworkConfig } from './network-config.ts'
import { createPluginLog, type PluginLog } from './plugin-log.ts'
import { printResult } from './print-result.ts'

export interface AddOptions {
  readonly environment: CniEnvironment
  readonly head: ConfigHead
  readonly stderr: (text: string) => void
}

/** Milliseconds between attempts to read from the API server. */
const pause = 1000
const sidecarAttempts = 30
const ambientAttempts = { usual: 2, persistent: 31 }

/** Captures the pod of a new sandbox if it belongs to the mesh; resolves with the result to print. */
export async function add({ environment, head, stderr }: AddOptions): Promise<string> {
  const config = readNetworkConfig(head)
  const log = createPluginLog({ level: config.logLevel, runDir: config.runDir, stderr, now: () => new Date() })
  try {
    const pod = readCniArgs(environment.args)
    await capture(environment, config, pod, log)
    return printResult(config.previous ?? emptyResult, config.cniVersion)
  } catch (error) {
    log.error(reasonOf(error))
    throw error
  } finally {
    await log.flush()
  }
}

/** The order of docs/spec/cni.md 2.4. Returning means success. */
async function capture(
  environment: CniEnvironment,
  config: NetworkConfig,
  pod: PodReference,
  log: PluginLog
): Promise<void> {
  // After a reboot the kubeconfig may not exist until this very pod writes it.
  if (isOwnAgent(pod, config)) return log.info('pod is the node agent, nothing to do', labelsOf(pod))
  // Loaded here and not before: the runs above and those for DEL or VERSION do not pay for it.
  const { readKubeconfig } = await import('./kubeconfig.ts')
  let server: ApiServer
  try {
    server = await readKubeconfig(path.join(config.runDir, 'istio-cni-kubeconfig'))
  } catch (error) {
    throw new Error(`failed to createNewK8sClient: ${reasonOf(error)}`, { cause: error })
  }
  if (pod.name === '' || pod.namespace === '') return log.debug('not a Kubernetes pod, nothing to do')
  if (config.excludeNamespaces.includes(pod.namespace)) return log.debug('namespace is excluded', labelsOf(pod))
  const { createApiClient } = await import('./api-client.ts')
  const client = createApiClient(server)
  try {
    let known: Pod | undefined
    if (config.ambientEnabled) {
      const found = await ambient(client, config, pod, log)
      known = found.pod
      if (found.isAmbient) {
        const { eventBody, sendEvent } = await import('./agent-event.ts')
        const body = eventBody(environment.netns, pod, config.previous)
        await sendEvent(path.join(config.runDir, 'pluginevent.sock'), body)
        return log.info('pod is captured', labelsOf(pod))
      }
    }
    await sidecar(known ?? (await readPod(client, config, pod, log)), pod, log)
  } finally {
    client.close()
  }
}

function isOwnAgent(pod: PodReference, config: NetworkConfig): boolean {
  return pod.name.startsWith('istio-cni-node-') && pod.namespace === config.podNamespace
}

/** Whether the pod is ambient (docs/spec/cni.md 2.5). `pod` is what was read on the way. */
async function ambient(
  client: ApiClient,
  config: NetworkConfig,
  { name, namespace }: PodReference,
  log: PluginLog
): Promise<{ isAmbient: boolean; pod: Pod | undefined }> {
  const attempts = config.detectionRetry ? ambientAttempts.persistent : ambientAttempts.usual
  for (let attempt = 1; ; attempt++) {
    try {
      const pod = await client.pod(namespace, name)
      const { metadata } = await client.namespace(namespace)
      const isAmbient = isAmbientPod(config.selectors, {
        hostNetwork: pod.spec?.hostNetwork ?? false,
        labels: pod.metadata?.labels ?? {},
        annotations: pod.metadata?.annotations ?? {},
        namespaceLabels: metadata?.labels ?? {}
      })
      return { isAmbient, pod }
    } catch (error) {
      log.warn('cannot tell whether the pod is ambient', {
        attempt,
        error: reasonOf(error),
        ...labelsOf({ name, namespace })
      })
      if (attempt >= attempts) {
        if (config.detectionRetry) {
          throw new Error(`cannot tell whether pod ${namespace}/${name} is ambient: ${reasonOf(error)}`, {
            cause: error
          })
        }
        // The pod starts without capture and is picked up by the node agent's watch.
        return { isAmbient: false, pod: undefined }
      }
      await sleep(pause)
    }
  }
}

async function readPod(client: ApiClient, config: NetworkConfig, pod: PodReference, log: PluginLog): Promise<Pod> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.pod(pod.namespace, pod.name)
    } catch (error) {
      log.warn('cannot read the pod', { attempt, error: reasonOf(error), ...labelsOf(pod) })
      if (isOwnAgent(pod, config)) return {}
      if (attempt >= sidecarAttempts) throw error
      await sleep(pause)
    }
  }
}

async function sidecar(pod: Pod, reference: PodReference, log: PluginLog): Promise<void> {
  const { reasonWithoutRedirection } = await import('./sidecar.ts')
  const reason = reasonWithoutRedirection(pod)
  if (reason === undefined) {
    throw new Error(
      `pod ${reference.namespace}/${reference.name} has an injected sidecar: sidecar redirection is not in this release`
    )
  }
  log.debug(`pod needs no redirection: ${reason}`, labelsOf(reference))
}

function labelsOf({ name, namespace }: PodReference): { pod: string; namespace: string } {
  return { pod: name, namespace }
}
