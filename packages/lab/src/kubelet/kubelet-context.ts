import type { KubernetesClient } from '@culvert/kubernetes'
import type { ReportProgress } from '../cluster/progress.ts'
import type { NetworkPlan } from '../fabric/network-plan.ts'
import type { LabNode } from '../node/node.ts'
import type { CniChain } from './cni-chain.ts'
import type { EventRecorder } from './event-recorder.ts'
import type { ImageCatalogue } from './image-catalogue.ts'
import type { WatchedSources } from './object-sources.ts'
import type { PodCgroups } from './pod-cgroups.ts'

/** What the parts of one node's kubelet work with. */
export interface KubeletContext {
  readonly node: LabNode
  readonly plan: NetworkPlan
  readonly client: KubernetesClient
  readonly images: ImageCatalogue
  readonly sources: WatchedSources
  readonly chain: CniChain
  readonly cgroups: PodCgroups
  readonly events: EventRecorder
  /** Where container logs are kept on the machine. */
  readonly logDirectory: string
  /** Milliseconds between restarts of a failing container and attempts to find an image. */
  readonly backOff: { readonly first: number; readonly last: number }
  readonly report: ReportProgress
  /** Aborts when the kubelet is shut down with its cluster. */
  readonly signal: AbortSignal
  /** Failures of work that nobody waits for. */
  readonly onError: (error: unknown) => void
}
