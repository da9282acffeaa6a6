import type { Duplex, Readable } from 'node:stream'
import type { KubeObject } from './objects.ts'

export interface LogOptions {
  readonly container: string
  readonly follow: boolean
  readonly previous: boolean
  readonly timestamps: boolean
  readonly tailLines: number | undefined
  readonly sinceSeconds: number | undefined
  readonly sinceTime: Date | undefined
  readonly limitBytes: number | undefined
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
}

/** What a node's kubelet does for the API server. An error it throws is sent to the client as its message. */
export interface Kubelet {
  log(pod: KubeObject, options: LogOptions): Promise<Readable> | Readable
  /** A connection to a port inside the pod. */
  portForward(pod: KubeObject, port: number, signal: AbortSignal): Promise<Duplex>
  exec?(pod: KubeObject, options: ExecOptions): Promise<ExecProcess>
}

export interface ExecOptions {
  readonly container: string
  readonly command: readonly string[]
  readonly stdin: boolean
  readonly tty: boolean
  readonly signal: AbortSignal
}

export interface ExecProcess {
  readonly stdin: NodeJS.WritableStream | undefined
  readonly stdout: Readable
  readonly stderr: Readable | undefined
  /** The exit status; 128 + n for a signal. */
  readonly exit: Promise<number>
}

export interface Kubelets {
  get(node: string): Kubelet | undefined
  set(node: string, kubelet: Kubelet | undefined): void
}

export function createKubelets(): Kubelets {
  const known = new Map<string, Kubelet>()
  return {
    get: node => known.get(node),
    set(node, kubelet) {
      if (kubelet === undefined) known.delete(node)
      else known.set(node, kubelet)
    }
  }
}
