import fs from 'node:fs'
import path from 'node:path'
import { createKubernetesClient, type KubernetesClient, kubeConfigFromText } from '@culvert/kubernetes'
import type { ApiServer } from '../api-server/index.ts'
import { startControllers } from '../controllers/index.ts'
import { LabError, reasonOf } from '../errors.ts'
import { startCapture } from '../fabric/capture.ts'
import { planNetwork } from '../fabric/network-plan.ts'
import { createImageCatalogue } from '../kubelet/image-catalogue.ts'
import { testImages } from '../kubelet/test-images.ts'
import { requireCgroupRoot } from './cgroups.ts'
import { type ClusterContext, startKubelets, startMachines, startServer, startServices } from './cluster-parts.ts'
import { createClusterPods } from './cluster-pods.ts'
import type { Cluster, ClusterOptions } from './cluster-types.ts'
import { parseManifests } from './manifests.ts'
import type { ReportProgress } from './progress.ts'
import { removeManifests } from './remove-manifests.ts'
import { waitForRollout } from './rollout.ts'
import { createRuntimeDirectory, sweepDeadClusters } from './runtime-directory.ts'
import { labUnsupported } from './support.ts'
import { createSystemObjects } from './system-objects.ts'
import { waitForObject } from './wait.ts'

/** Starts a cluster: fabric, API server, controllers, nodes, kubelets, DNS. Resolves once pods can be created. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  try {
    return await startCluster(options)
  } catch (error) {
    if (!options.signal?.aborted) throw error
    // What came of the abort somewhere inside is not the reason.
    throw new LabError('LAB_CLOSED', 'the start of the cluster was given up', { cause: options.signal.reason })
  }
}

async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const unsupported = labUnsupported()
  if (unsupported !== undefined) throw new LabError('LAB_UNSUPPORTED', unsupported)
  const plan = planNetwork(options.nodes ?? 2, options.network)
  const images = createImageCatalogue({ ...testImages, ...options.images })
  const begun = performance.now()
  const running = new AbortController()
  const report: ReportProgress = ({ message, ...progress }) =>
    options.onProgress?.({ ...progress, message: oneLine(message), at: Math.round(performance.now() - begun) })
  const onError = (error: unknown): void => {
    // What fails because everything is being closed is no news.
    if (!running.signal.aborted) report({ step: 'warning', message: reasonOf(error) })
  }
  for (const id of await sweepDeadClusters()) report({ step: 'sweep', message: `removed what dead cluster ${id} left` })

  await using undo = new AsyncDisposableStack()
  const directory = createRuntimeDirectory(requireCgroupRoot())
  undo.defer(() => directory.close({ keep: options.keep ?? false }))
  const { signal } = running
  // Only until the cluster stands: from then on it ends by `close`.
  const giveUp = (): void => running.abort(options.signal?.reason)
  using starting = new DisposableStack()
  starting.defer(() => options.signal?.removeEventListener('abort', giveUp))
  options.signal?.addEventListener('abort', giveUp)
  if (options.signal?.aborted) giveUp()
  const context: ClusterContext = { plan, directory, undo, report, onError, signal }
  const machines = await startMachines(context)
  const server = await startServer(context, machines.fabric, options.crds ?? '')
  const { client, kubeconfig } = await adminAccess(server, directory.path)
  undo.defer(() => client.close())
  undo.defer(() => running.abort())
  const parts = [
    startKubelets(context, { nodes: machines.nodes, client, images, server }),
    startServices(context, machines, client),
    startControllers({ client, signal, onError }),
    createSystemObjects(client, plan)
  ] as const
  const [kubelets] = await Promise.all(parts).catch(async error => {
    // What still starts beside the part that failed must come to its end before everything is undone.
    running.abort()
    await Promise.allSettled(parts)
    throw error
  })
  const waits = { client, closed: signal }
  const pods = createClusterPods({
    waits,
    find: (namespace, name) => kubelets.flatMap(kubelet => kubelet.find(namespace, name) ?? [])[0],
    onError
  })
  undo.use(pods)
  signal.throwIfAborted()

  const ready = `${plan.nodes.length} nodes are ready for pods; API server at ${server.url}`
  report({ step: 'cluster-ready', message: ready })

  const owned = undo.move()
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    if (closing === undefined) report({ step: 'close', message: 'ending every process of the cluster' })
    closing ??= owned.disposeAsync()
    return closing
  }
  return {
    id: directory.id,
    name: options.name ?? `culvert-${directory.id}`,
    directory: directory.path,
    url: server.url,
    caCertificate: server.caCertificate,
    kubeconfig,
    client,
    network: plan,
    nodes: machines.nodes,
    pods,
    fabric: machines.fabric.netns,
    apply: async yaml => {
      const applied = []
      for (const manifest of parseManifests(yaml)) applied.push(await client.applyManifest(manifest))
      return applied
    },
    remove: yaml => removeManifests(waits, parseManifests(yaml)),
    registerImage: images.register,
    capture: captureOptions => startCapture(machines.fabric, directory.path, captureOptions),
    waitFor: (resource, ref, condition, waitOptions) => waitForObject(waits, resource, ref, condition, waitOptions),
    rollout: (kind, ref, waitOptions) => waitForRollout(waits, kind, ref, waitOptions),
    close,
    [Symbol.asyncDispose]: close
  }
}

/** Messages quote what pods and plugins say: no control characters of theirs reach a terminal. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim()
}

async function adminAccess(
  server: ApiServer,
  directory: string
): Promise<{ client: KubernetesClient; kubeconfig: Cluster['kubeconfig'] }> {
  const kubeconfig = { path: path.join(directory, 'kubeconfig'), text: server.adminKubeconfig() }
  fs.writeFileSync(kubeconfig.path, kubeconfig.text, { mode: 0o600 })
  return { client: createKubernetesClient(await kubeConfigFromText(kubeconfig.text, kubeconfig.path)), kubeconfig }
}
