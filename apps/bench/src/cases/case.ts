import type { Stage } from '../world/stage.ts'

/** One figure of a case. */
export interface Metric {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Which direction is good. */
  readonly better: 'more' | 'less'
  /** The ratio ours / peer's to reach: with the machine's congestion control, and with Reno on every socket. */
  readonly target?: { readonly machine?: number; readonly reno?: number }
  /** The most that ours may be, whatever the peer's is. */
  readonly limit?: number
}

export interface RunOptions {
  /** How long each load runs. */
  readonly seconds: number
  readonly quick: boolean
}

/** What is measured together. */
interface Description {
  readonly name: string
  readonly title: string
  readonly metrics: readonly Metric[]
  /** Seconds that a run of it takes, about. */
  readonly duration: (options: RunOptions) => number
}

/** Values by the metrics' names; BENCH_REFUSED when the run is not to be used. */
export type Values = Readonly<Record<string, number>>

/** Measured in the clusters of all contenders. */
export interface ClusterCase extends Description {
  readonly kind: 'cluster'
  /** Whether there is something to measure without a mesh. */
  readonly direct: boolean
  /** Needs a certificate of the control plane's authority: left out with the test authority. */
  readonly authority?: boolean
  /** Measured at rest: all such cases of a run come last, are prepared, and then rest together. */
  readonly rest?: {
    readonly prepare: (stage: Stage, options: RunOptions) => Promise<void>
    /** How long `prepare` takes, about. */
    readonly duration: number
    readonly seconds: (options: RunOptions) => number
  }
  readonly run: (stage: Stage, options: RunOptions) => Promise<Values>
}

/** Of a program that only we have; needs no cluster. */
export interface LocalCase extends Description {
  readonly kind: 'local'
  readonly run: (options: RunOptions) => Promise<Values>
}

export type BenchCase = ClusterCase | LocalCase
