/** What a cluster tells while it starts and runs, for people to read. */
export interface Progress {
  /** Milliseconds since createCluster was called. */
  readonly at: number
  readonly step: ProgressStep
  /** One line without a line end. */
  readonly message: string
  readonly node?: string
  /** `namespace/name` */
  readonly pod?: string
}

export type ProgressStep =
  | 'sweep'
  | 'fabric'
  | 'api-server'
  | 'node'
  | 'cluster-ready'
  | 'sandbox'
  | 'container'
  | 'probe'
  | 'pod-ready'
  | 'pod-removed'
  | 'warning'
  | 'close'

export type ReportProgress = (progress: Omit<Progress, 'at'>) => void
