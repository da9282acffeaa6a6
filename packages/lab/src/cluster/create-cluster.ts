import fs from 'node:fs'
import path from 'node:path'
import { createKubernetesClient, type KubernetesClient, kubeConfigFromText } from '@culvert/kubernetes'
import { listenTcp } from '@culvert/netns'
import { type ApiServer, startApiServer } from '../api-server/index.ts'
import { LabError, reasonOf } from '../errors.ts'
import { startCapture } from '../fabric/capture.ts'
import { startClusterDns } from '../dns/cluster-dns.ts'
import { forwardToMachine } from '../dns/forward.ts'
import { createFabric, type Fabric } from '../fabric/fabric.ts'
import { type NetworkPlan, planNetwork } from '../fabric/network-plan.ts'
import { createImageCatalogue, type ImageCatalogue } from '../kubelet/image-catalogue.ts'
import { type NodeKubelet, startKubelet } from '../kubelet/kubelet.ts'
import { type WatchedSources, watchSources } from '../kubelet/object-sources.ts'
import { nodeResolvConf } from '../kubelet/pod-files.ts'
import { testImages } from '../kubelet/test-images.ts'
import { startServiceProxy } from '../services/service-proxy.ts'
import { type ServiceState, watchServices } from '../services/service-state.ts'
import { type LabNode, startNode } from '../node/node.ts'
import { requireCgroupRoot } from './cgroups.ts'
import { createClusterPods } from './cluster-pods.ts'
import type { Cluster, ClusterOptions } from './cluster-types.ts'
import { parseManifests } from './manifests.ts'
import type { ReportProgress } from './progress.ts'
import { removeManifests } from './remove-manifests.ts'
import { waitForRollout } from './rollout.ts'
import { createRuntimeDirectory, type RuntimeDirectory, sweepDeadClusters } from './runtime-directory.ts'
import { labUnsupported } from './support.ts'
import { createSystemObjects } from './system-objects.ts'
import { waitForObject } from './wait.ts'

/** Starts a cluster: fabric, API server, nodes, kubelets, DNS. Resolves once pods can be created. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const unsupported = labUnsupported()
  if (unsupported !== undefined) throw new LabError('LAB_UNSUPPORTED', unsupported)
  const plan = planNetwork(options.nodes ?? 2, options.network)
  const images = createImageCatalogue({ ...testImages, ...options.images })
  const begun = performance.now()
  const report: ReportProgress = progress =>
    options.onProgress?.({ ...progress, at: Math.round(performance.now() - begun) })
  const onError = (error: unknown): void => report({ step: 'warning', message: reasonOf(error).replaceAll('\n', ' ') })

  for (const id of await sweepDeadClusters()) report({ step: 'sweep', message: `removed what dead cluster ${id} left` })

  await using undo = new AsyncDisposableStack()
  const directory = createRuntimeDirectory(requireCgroupRoot())
  undo.defer(() => directory.close({ keep: options.keep ?? false }))
  const machines = await startMachines(plan, directory, options.signal, undo, report)
  const server = await startServer(machines.fabric, plan, undo, report, onError)
  const name = options.name ?? `culvert-${directory.id}`
  const kubeconfig = { path: path.join(directory.path, 'kubeconfig'), text: server.adminKubeconfig() }
  fs.writeFileSync(kubeconfig.path, kubeconfig.text, { mode: 0o600 })
  const client = createKubernetesClient(await kubeConfigFromText(kubeconfig.text, kubeconfig.path))
  undo.defer(() => client.close())
  const running = new AbortController()
  undo.defer(() => running.abort())
  await createSystemObjects(client, plan)
  const services = await watchServices(client, { signal: running.signal, onError })
  await startServices({ machines, plan, services, signal: running.signal, undo, onError })
  const sources = await watchClusterSources(client, server.caCertificate, running.signal, onError)
  const kubelets = await startKubelets({
    machines,
    plan,
    client,
    images,
    sources,
    server,
    directory,
    undo,
    report,
    onError
  })

  const clusterPods = createClusterPods({
    client,
    find: (namespace, pod) => {
      for (const kubelet of kubelets) {
        const worker = kubelet.find(namespace, pod)
        if (worker !== undefined) return worker
      }
      return undefined
    },
    onError
  })
  undo.use(clusterPods)
  report({
    step: 'cluster-ready',
    message: `${plan.nodes.length} nodes are ready for pods; API server at ${server.url}`
  })

  const owned = undo.move()
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= owned.disposeAsync()
    return closing
  }
  return {
    id: directory.id,
    name,
    directory: directory.path,
    url: server.url,
    caCertificate: server.caCertificate,
    kubeconfig,
    client,
    network: plan,
    nodes: machines.nodes,
    pods: clusterPods,
    fabric: machines.fabric.netns,
    apply: async yaml => {
      const applied = []
      for (const manifest of parseManifests(yaml)) applied.push(await client.applyManifest(manifest))
      return applied
    },
    remove: yaml => removeManifests(client, parseManifests(yaml)),
    registerImage: images.register,
    capture: captureOptions => startCapture(machines.fabric, directory.path, captureOptions),
    waitFor: (resource, ref, condition, waitOptions) => waitForObject(client, resource, ref, condition, waitOptions),
    rollout: (kind, ref, waitOptions) => waitForRollout(client, kind, ref, waitOptions),
    close,
    [Symbol.asyncDispose]: close
  }
}

interface Machines {
  readonly fabric: Fabric
  readonly nodes: readonly LabNode[]
}

/** The fabric and the nodes, all at once, then the wires between them. */
async function startMachines(
  plan: NetworkPlan,
  directory: RuntimeDirectory,
  signal: AbortSignal | undefined,
  undo: AsyncDisposableStack,
  report: ReportProgress
): Promise<Machines> {
  const fabricStart = createFabric(plan, { signal })
  const nodeStarts = plan.nodes.map(node => startNode({ plan: node, directory: directory.path, signal }))
  // Also what came up beside something that failed must go again.
  const outcomes = await Promise.allSettled([fabricStart, ...nodeStarts])
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') undo.defer(() => outcome.value.close())
  }
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  const fabric = await fabricStart
  const nodes = await Promise.all(nodeStarts)
  await fabric.connect(new Map(nodes.map(node => [node.name, node])))
  report({ step: 'fabric', message: `fabric ${plan.nodePrefix}.0/24 connects ${nodes.length} nodes` })
  for (const node of nodes) {
    node.writeFile('/etc/resolv.conf', nodeResolvConf(plan))
    report({ step: 'node', message: `${node.name} has ${node.ip}, pods ${node.podCidr}`, node: node.name })
  }
  return { fabric, nodes }
}

async function startServer(
  fabric: Fabric,
  plan: NetworkPlan,
  undo: AsyncDisposableStack,
  report: ReportProgress,
  onError: (error: unknown) => void
): Promise<ApiServer> {
  const { fd } = listenTcp(fabric.netns, { ip: '0.0.0.0', port: plan.apiServerPort })
  const server = await startApiServer({
    listen: [{ host: '127.0.0.1', port: 0 }, { fd }],
    subjectAltNames: [plan.fabricIp, plan.kubernetesIp],
    serviceCidr: plan.serviceCidr,
    onError
  })
  undo.use(server)
  report({ step: 'api-server', message: `API server listens on ${server.url}` })
  return server
}

/** Each namespace's `kube-root-ca.crt` is a controller's to publish; pods that start before it get the same from here. */
async function watchClusterSources(
  client: KubernetesClient,
  caCertificate: string,
  signal: AbortSignal,
  onError: (error: unknown) => void
): Promise<WatchedSources> {
  const sources = await watchSources(client, { signal, onError })
  const rootCertificate = { data: { 'ca.crt': caCertificate } }
  return {
    ...sources,
    configMap: (namespace, name) =>
      sources.configMap(namespace, name) ?? (name === 'kube-root-ca.crt' ? rootCertificate : undefined)
  }
}

/** What makes service addresses and names work: rules on every node, DNS in the fabric. */
async function startServices(o: {
  machines: Machines
  plan: NetworkPlan
  services: ServiceState
  signal: AbortSignal
  undo: AsyncDisposableStack
  onError: (error: unknown) => void
}): Promise<void> {
  const { plan, services: state, signal, onError } = o
  const podNetwork = `${plan.podPrefix}.`
  const dns = startClusterDns({
    netns: o.machines.fabric.netns,
    ip: plan.fabricIp,
    state,
    clusterDomain: plan.clusterDomain,
    isPodIp: ip => ip.startsWith(podNetwork),
    forward: plan.externalDns ? forwardToMachine : undefined,
    onError
  })
  const proxies = o.machines.nodes.map(node =>
    startServiceProxy({ node, state, serviceCidr: plan.serviceCidr, signal, onError })
  )
  await Promise.all([dns.then(server => o.undo.use(server)), ...proxies])
}

async function startKubelets(o: {
  machines: Machines
  plan: NetworkPlan
  client: KubernetesClient
  images: ImageCatalogue
  sources: WatchedSources
  server: ApiServer
  directory: RuntimeDirectory
  undo: AsyncDisposableStack
  report: ReportProgress
  onError: (error: unknown) => void
}): Promise<NodeKubelet[]> {
  return Promise.all(
    o.machines.nodes.map(async node => {
      const kubelet = await startKubelet({
        node,
        plan: o.plan,
        client: o.client,
        images: o.images,
        sources: o.sources,
        cgroup: o.directory.cgroup,
        logDirectory: path.join(o.directory.path, 'logs'),
        report: o.report,
        onError: o.onError
      })
      o.undo.defer(() => kubelet.close())
      o.server.setKubelet(node.name, kubelet.api)
      return kubelet
    })
  )
}
