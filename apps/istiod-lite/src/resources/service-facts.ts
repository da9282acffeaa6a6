/** One port of a service, as far as endpoints care. */
export interface ServicePortFacts {
  readonly name: string
  readonly port: number
  /** Number, or the name of a container port. */
  readonly target: number | string
  /** ServiceEntry only: its own targetPort, which yields to the endpoint's port of the same name. */
  readonly fromServiceEntry?: boolean
}

/** A service as its endpoints see it. */
export interface ServiceFacts {
  /** `namespace/hostname`. */
  readonly key: string
  readonly ports: readonly ServicePortFacts[]
  /** Of the object: they may name a waypoint. */
  readonly labels: Readonly<Record<string, string>>
}
