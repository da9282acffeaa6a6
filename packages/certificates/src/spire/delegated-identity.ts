import { readFileSync } from 'node:fs'
import type { MethodDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

/** docs/spec/identity-ca.md 5.2. */
export interface Selector {
  readonly type: string
  readonly value: string
}

export interface SvidsResponse {
  readonly x509Svids: readonly SvidMessage[]
}

export interface SvidMessage {
  readonly x509Svid?: {
    readonly certChain: readonly Uint8Array[]
    readonly id?: { readonly trustDomain: string; readonly path: string }
  }
  readonly x509SvidKey: Uint8Array
}

export interface BundlesResponse {
  readonly caCertificates: Readonly<Record<string, Uint8Array>>
}

let loaded: protobuf.Root | undefined

/** Read when a proxy first needs it: most have no SPIRE agent. */
function schema(): protobuf.Root {
  loaded ??= protobuf.parse(readFileSync(new URL('../../proto/delegated-identity.proto', import.meta.url), 'utf8')).root
  return loaded
}

const service = 'spire.api.agent.delegatedidentity.v1'

function codec<Message extends object>(name: string) {
  const type = (): protobuf.Type => schema().lookupType(`${service}.${name}`)
  return {
    encode: (message: Message): Buffer => Buffer.from(type().encode(type().fromObject(message)).finish()),
    decode: (bytes: Uint8Array): Message =>
      type().toObject(type().decode(bytes), { arrays: true, objects: true, defaults: true }) as Message
  }
}

function subscription<Request extends object, Response extends object>(
  name: string
): MethodDefinition<Request, Response> {
  const requests = codec<Request>(`${name}Request`)
  const responses = codec<Response>(`${name}Response`)
  return {
    path: `/${service}.DelegatedIdentity/${name}`,
    requestStream: false,
    responseStream: true,
    requestSerialize: requests.encode,
    requestDeserialize: requests.decode,
    responseSerialize: responses.encode,
    responseDeserialize: responses.decode
  }
}

/** For both sides of a SPIRE agent's admin socket on @grpc/grpc-js. */
export const delegatedIdentityDefinition: {
  readonly subscribeToX509Svids: MethodDefinition<{ readonly selectors: readonly Selector[] }, SvidsResponse>
  readonly subscribeToX509Bundles: MethodDefinition<object, BundlesResponse>
} = {
  subscribeToX509Svids: subscription('SubscribeToX509SVIDs'),
  subscribeToX509Bundles: subscription('SubscribeToX509Bundles')
}
