import { cookedNode, type RawNode, rawNode } from './discovery-codec.ts'
import type { ClientConfigMessage, GenericXdsConfigMessage } from './discovery-messages.ts'
import { type Codec, codec } from './schema.ts'

interface Timestamp {
  readonly seconds?: number
  readonly nanos?: number
}

interface RawXdsConfig extends Omit<GenericXdsConfigMessage, 'lastUpdated' | 'errorState'> {
  readonly lastUpdated?: Timestamp
  readonly errorState?: { readonly lastUpdateAttempt?: Timestamp; readonly details?: string }
}

interface RawClientConfig {
  readonly node?: RawNode
  readonly genericXdsConfigs?: readonly RawXdsConfig[]
}

const configs: Codec<RawClientConfig> = codec('envoy.service.status.v3.ClientConfig')

export const clientConfigTypeUrl = 'type.googleapis.com/envoy.service.status.v3.ClientConfig'

/** One client of a control plane, as its status service tells `istioctl proxy-status`. */
export function encodeClientConfig({ node, genericXdsConfigs = [] }: ClientConfigMessage): Uint8Array {
  return configs.encode({
    ...(node && { node: rawNode(node) }),
    genericXdsConfigs: genericXdsConfigs.map(({ lastUpdated, errorState, ...rest }) => ({
      ...rest,
      ...(lastUpdated !== undefined && { lastUpdated: timestamp(lastUpdated) }),
      ...(errorState && { errorState: rawError(errorState) })
    }))
  })
}

/**
 * The same, for who asks that service.
 *
 * @throws WorkloadsError WORKLOADS_UNDECODABLE
 */
export function decodeClientConfig(bytes: Uint8Array): ClientConfigMessage {
  const { node, genericXdsConfigs = [] } = configs.decode(bytes)
  return {
    ...(node && { node: cookedNode(node) }),
    genericXdsConfigs: genericXdsConfigs.map(({ lastUpdated, errorState, ...rest }) => ({
      ...rest,
      ...(lastUpdated && { lastUpdated: milliseconds(lastUpdated) }),
      ...(errorState && { errorState: cookedError(errorState) })
    }))
  }
}

const timestamp = (at: number): Timestamp => ({ seconds: Math.floor(at / 1_000), nanos: (at % 1_000) * 1e6 })

/** 64-bit numbers come as objects. */
const milliseconds = ({ seconds = 0, nanos = 0 }: Timestamp): number => Number(seconds) * 1_000 + nanos / 1e6

type ErrorState = NonNullable<GenericXdsConfigMessage['errorState']>
type RawErrorState = NonNullable<RawXdsConfig['errorState']>

const rawError = ({ lastUpdateAttempt, details }: ErrorState): RawErrorState => ({
  ...(lastUpdateAttempt !== undefined && { lastUpdateAttempt: timestamp(lastUpdateAttempt) }),
  ...(details !== undefined && { details })
})

const cookedError = ({ lastUpdateAttempt, details }: RawErrorState): ErrorState => ({
  ...(lastUpdateAttempt && { lastUpdateAttempt: milliseconds(lastUpdateAttempt) }),
  ...(details !== undefined && { details })
})
