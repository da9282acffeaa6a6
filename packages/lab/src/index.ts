/**
 * Kubernetes clusters on one machine: nodes and pods as network namespaces, a real API server, kubelet and CNI chain.
 *
 *     await using cluster = await createCluster({ nodes: 2, images: { 'shop/cart': { command: ['node', '/srv/cart.js'] } } })
 *     await cluster.apply(yaml)
 *     await cluster.pods.ready({ namespace: 'shop', labelSelector: 'app=cart' })
 *     console.log(await cluster.pods.logs({ namespace: 'shop', name: 'cart-0' }))
 */
export type {
  Capture,
  CapturedPacket,
  CaptureOptions,
  Cluster,
  ClusterNode,
  ClusterOptions,
  ClusterPods,
  CommandOptions,
  CommandResult,
  NetworkOptions,
  PodContainerRef,
  PodRef,
  PortForward,
  ReadyQuery,
  WaitOptions
} from './cluster/cluster-types.ts'
export { createCluster } from './cluster/create-cluster.ts'
export type { Progress, ProgressStep } from './cluster/progress.ts'
export { labUnsupported } from './cluster/support.ts'
export { LabError, type LabErrorCode } from './errors.ts'
export type { Image } from './kubelet/image-catalogue.ts'
