import { formatSpiffeId, type SpiffeId } from '@culvert/spiffe'
import { ipBytes, unmappedIp } from '@culvert/workloads'

/** One connection, as the receiving side sees it: docs/spec/authorization.md 3.1. */
export interface Connection {
  readonly source: { readonly ip: string }
  /** The pod's address and the final target port. */
  readonly destination: { readonly ip: string; readonly port: number }
  /** From the peer's certificate; absent for plaintext. */
  readonly identity?: SpiffeId | undefined
}

/** What policies test, taken apart once per connection: docs/spec/authorization.md 2.1. */
export interface ConnectionFacts {
  /** Without `spiffe://`; undefined for plaintext, which no test on principals hits. */
  readonly principal: string | undefined
  /** Empty for plaintext, which exact "" and prefix "" do hit. */
  readonly namespace: string
  readonly serviceAccount: string | undefined
  readonly port: number
  readonly sourceIp: () => Uint8Array
  readonly destinationIp: () => Uint8Array
}

export function connectionFacts({ source, destination, identity }: Connection): ConnectionFacts {
  return {
    principal: identity && formatSpiffeId(identity).slice('spiffe://'.length),
    namespace: identity?.namespace ?? '',
    serviceAccount: identity?.serviceAccount,
    port: destination.port,
    // A dual-stack socket shows IPv4 peers as IPv6; policies are written with IPv4.
    sourceIp: once(() => ipBytes(unmappedIp(source.ip))),
    destinationIp: once(() => ipBytes(unmappedIp(destination.ip)))
  }
}

/** Few policies look at addresses, so they are parsed only for those. */
function once<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => {
    made ??= make()
    return made
  }
}
