import path from 'node:path'
import type { KubernetesClient } from '@culvert/kubernetes'
import { listenTcp } from '@culvert/netns'
import { type ApiServer, startApiServer } from '../api-server/index.ts'
import { startClusterDns } from '../dns/cluster-dns.ts'
import { forwardToMachine } from '../dns/forward.ts'
import { createFabric, type Fabric } from '../fabric/fabric.ts'
import type { NetworkPlan } from '../fabric/network-plan.ts'
import type { ImageCatalogue } from '../kubelet/image-catalogue.ts'
import { type NodeKubelet, startKubelet } from '../kubelet/kubelet.ts'
import { type WatchedSources, watchSources } from '../kubelet/object-sources.ts'
import { nodeResolvConf } from '../kubelet/pod-files.ts'
import { type LabNode, startNode } from '../node/node.ts'
import { startServiceProxy } from '../services/service-proxy.ts'
import { watchServices } from '../services/service-state.ts'
import { parseManifests } from './manifests.ts'
import type { ReportProgress } from './progress.ts'
import type { RuntimeDirectory } from './runtime-directory.ts'

/** What every part of a starting cluster needs. */
export interface ClusterContext {
  readonly plan: NetworkPlan
  readonly directory: RuntimeDirectory
  /** Everything that was started puts its end here. */
  readonly undo: AsyncDisposableStack
  readonly report: ReportProgress
  readonly onError: (error: unknown) => void
  /** Aborts when the cluster closes, or when whoever starts it gives up. */
  readonly signal: AbortSignal
}

export interface Machines {
  readonly fabric: Fabric
  readonly nodes: readonly LabNode[]
}

/** The fabric and the nodes, all at once, then the wires between them. */
export async function startMachines(context: ClusterContext): Promise<Machines> {
  const { plan, directory, undo, report, signal } = context
  const fabricStart = createFabric(plan, { signal })
  const nodeStarts = plan.nodes.map(node => startNode({ plan: node, directory: directory.path, signal }))
  const outcomes = await Promise.allSettled([fabricStart, ...nodeStarts])
  // Also what came up beside something that failed must go again.
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') undo.defer(() => outcome.value.close())
  }
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

/** The API server, on the machine's loopback for people and in the fabric for pods. */
export async function startServer(context: ClusterContext, fabric: Fabric, crds: string): Promise<ApiServer> {
  const { plan, undo, report, onError } = context
  const { fd } = listenTcp(fabric.netns, { ip: '0.0.0.0', port: plan.apiServerPort })
  const server = await startApiServer({
    listen: [{ host: '127.0.0.1', port: 0 }, { fd }],
    subjectAltNames: [plan.fabricIp, plan.kubernetesIp],
    serviceCidr: plan.serviceCidr,
    advertise: { address: plan.fabricIp, port: plan.apiServerPort },
    crds: parseManifests(crds).map(crd => ({ ...crd })),
    onError
  })
  undo.use(server)
  report({ step: 'api-server', message: `API server listens on ${server.url}` })
  return server
}

/** What makes service addresses and names work: rules on every node, DNS in the fabric. */
export async function startServices(
  context: ClusterContext,
  { fabric, nodes }: Machines,
  client: KubernetesClient
): Promise<void> {
  const { plan, signal, onError, undo } = context
  const state = await watchServices(client, { signal, onError })
  const podNetwork = `${plan.podPrefix}.`
  const dns = await startClusterDns({
    netns: fabric.netns,
    ip: plan.fabricIp,
    state,
    clusterDomain: plan.clusterDomain,
    isPodIp: ip => ip.startsWith(podNetwork),
    forward: plan.externalDns ? forwardToMachine : undefined,
    onError
  })
  undo.use(dns)
  const { serviceCidr } = plan
  await Promise.all(nodes.map(node => startServiceProxy({ node, state, serviceCidr, signal, onError })))
}

export async function startKubelets(
  context: ClusterContext,
  o: { nodes: readonly LabNode[]; client: KubernetesClient; images: ImageCatalogue; server: ApiServer }
): Promise<NodeKubelet[]> {
  const { plan, directory, report, signal, onError } = context
  const sources = await watchClusterSources(context, o.client, o.server.caCertificate)
  return Promise.all(
    o.nodes.map(async node => {
      const kubelet = await startKubelet({
        node,
        plan,
        client: o.client,
        images: o.images,
        sources,
        cgroup: directory.cgroup,
        logDirectory: path.join(directory.path, 'logs'),
        report,
        signal,
        onError
      })
      o.server.setKubelet(node.name, kubelet.api)
      return kubelet
    })
  )
}

/** Each namespace's `kube-root-ca.crt` is a controller's to publish; pods that start before it get the same from here. */
async function watchClusterSources(
  { signal, onError }: ClusterContext,
  client: KubernetesClient,
  caCertificate: string
): Promise<WatchedSources> {
  const sources = await watchSources(client, { signal, onError })
  const rootCertificate = { data: { 'ca.crt': caCertificate } }
  return {
    ...sources,
    configMap: (namespace, name) =>
      sources.configMap(namespace, name) ?? (name === 'kube-root-ca.crt' ? rootCertificate : undefined)
  }
}
