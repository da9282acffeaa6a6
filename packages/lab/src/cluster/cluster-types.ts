import type { KubernetesClient, KubernetesObject, ObjectRef, Resource, V1Pod } from '@culvert/kubernetes'
import type { Netns } from '@culvert/netns'
import type { Image } from '../kubelet/image-catalogue.ts'
import type { Progress } from './progress.ts'

export interface ClusterOptions {
  /** How many nodes, named `node-1`, `node-2`, …; default 2. */
  readonly nodes?: number
  /** Shown in messages, the kubeconfig and cgroup paths; default: `culvert-` and the cluster's id. */
  readonly name?: string
  /** What `image:` may name in a pod, besides the test images. More can be added with `registerImage`. */
  readonly images?: Readonly<Record<string, Image>>
  readonly network?: Partial<NetworkOptions>
  /** YAML of CustomResourceDefinitions that are there from the start; the mesh's kinds are known without. */
  readonly crds?: string
  /** Leaves the runtime directory (container logs, captures) behind when the cluster closes; default false. */
  readonly keep?: boolean
  readonly onProgress?: (progress: Progress) => void
  /** Aborting while the cluster starts gives up and removes what was made. */
  readonly signal?: AbortSignal
}

export interface NetworkOptions {
  /** First three numbers of the fabric's /24; the API server and DNS are at .1, nodes from .2 on. Default `172.18.0`. */
  readonly nodePrefix: string
  /** First two numbers of the pod network: node n has `<prefix>.<n>.0/24`. Default `10.244`. */
  readonly podPrefix: string
  /** First two numbers of the service network, a /16. Default `10.96`. */
  readonly servicePrefix: string
  /** Default `cluster.local`. */
  readonly clusterDomain: string
  /** Whether names outside the cluster are asked of the machine's own resolvers; default false. */
  readonly externalDns: boolean
}

export interface CommandResult {
  /** Exit status; 128 + n after signal n. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds; default 30,000. */
  readonly timeout?: number
}

export interface ClusterNode {
  readonly name: string
  readonly ip: string
  readonly podCidr: string
  /** Closed with the cluster. */
  readonly netns: Netns
  /** The node's init process, as numbered on the machine. */
  readonly pid: number
  /** Where the machine sees a file of the node; `path` must not lead through symbolic links (/run, not /var/run). */
  path(path: string): string
  /** Runs a program in the node's namespaces. A status other than 0 is a result, not an error. */
  exec(command: readonly string[], options?: CommandOptions): Promise<CommandResult>
}

export interface PodRef {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface PodContainerRef extends PodRef {
  /** Default: the first container. */
  readonly container?: string
}

export interface ReadyQuery {
  readonly namespace?: string
  readonly name?: string
  readonly labelSelector?: string
  /** How many must be ready; default: every one there is, at least one. */
  readonly count?: number
  /** Milliseconds; default 30,000. */
  readonly timeout?: number
}

export interface ClusterPods {
  /** Resolves with the pods once all of them are Ready; the error after `timeout` says what each is waiting for. */
  ready(query: ReadyQuery): Promise<V1Pod[]>
  /** Runs a program in the namespaces of a running container. */
  exec(pod: PodContainerRef, command: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** What the container has written so far (bounded; the oldest lines go first), stdout and stderr together. */
  logs(pod: PodContainerRef, options?: { tailLines?: number; previous?: boolean }): Promise<string>
  /** A fresh handle of the pod's network namespace, the caller's to close. */
  netns(pod: PodRef): Netns
  /** Process id of a running container's first process, as numbered on the machine. */
  pid(pod: PodContainerRef): number
  /** A port on 127.0.0.1 of the machine whose connections go to the port inside the pod. */
  forward(pod: PodRef, port: number): Promise<PortForward>
}

export interface PortForward extends AsyncDisposable {
  readonly port: number
  close(): Promise<void>
}

export interface CaptureOptions {
  /** A tcpdump filter, such as `tcp and not host 172.18.0.1`; default: everything. */
  readonly filter?: string
  /** Name of the pcap file; default `capture-<n>.pcap` in the runtime directory. */
  readonly file?: string
}

/** tcpdump on the bridge between the nodes: what one of them sends to another passes here exactly once. */
export interface Capture extends AsyncDisposable {
  readonly file: string
  /** Everything captured so far, as pcap. */
  read(): Promise<Buffer>
  /** The TCP and UDP packets captured so far. */
  packets(): Promise<CapturedPacket[]>
  /** Waits for tcpdump to write its buffers and ends it. Repeatable. */
  stop(): Promise<void>
}

export interface CapturedPacket {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly protocol: 'tcp' | 'udp'
  readonly source: { readonly ip: string; readonly port: number }
  readonly destination: { readonly ip: string; readonly port: number }
  readonly payload: Buffer
}

export interface WaitOptions {
  /** Milliseconds; default 30,000. */
  readonly timeout?: number
  /** What is awaited, for the message when it does not come. */
  readonly description?: string
  readonly signal?: AbortSignal
}

export interface Cluster extends AsyncDisposable {
  readonly id: string
  readonly name: string
  /** Kubeconfig, container logs and captures. Removed by `close`, unless `keep` was given. */
  readonly directory: string
  /** The API server as programs on the machine reach it. */
  readonly url: string
  /** The API server's authority, PEM. */
  readonly caCertificate: string
  /** Admin access through `url`. */
  readonly kubeconfig: { readonly path: string; readonly text: string }
  readonly client: KubernetesClient
  readonly network: NetworkOptions
  readonly nodes: readonly ClusterNode[]
  readonly pods: ClusterPods
  /** The fabric's network namespace. */
  readonly fabric: Netns
  /** Applies every document, in order. */
  apply(yaml: string): Promise<KubernetesObject[]>
  /** Deletes what the documents name, in reverse order, and waits until it is gone. */
  remove(yaml: string): Promise<void>
  registerImage(name: string, image: Image): void
  capture(options?: CaptureOptions): Promise<Capture>
  /** Watches one object until the condition holds; `undefined` is passed while it does not exist. */
  waitFor<T extends KubernetesObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    condition: (object: T | undefined) => boolean,
    options?: WaitOptions
  ): Promise<T | undefined>
  /** Waits until a Deployment's or DaemonSet's pods are all updated and available. */
  rollout(kind: 'Deployment' | 'DaemonSet', ref: ObjectRef, options?: WaitOptions): Promise<void>
  /** Ends every process of the cluster and removes its files. Repeatable. */
  close(): Promise<void>
}
