import type { Fields } from '../objects.ts'
import { modelOf } from '../schema/built-in-schemas.ts'
import { decodeMessage, isKnownModel, member } from './decode.ts'
import { ProtobufError } from './reader.ts'

export const protobufType = 'application/vnd.kubernetes.protobuf'

/** What every protobuf body of Kubernetes begins with. */
const magic = Buffer.from('k8s\0')

/**
 * A request's body in Kubernetes' protobuf: the magic, then a message (runtime.Unknown) that says the kind and holds the
 * encoded object. Undefined for a kind whose encoding is not known here.
 */
export function decodeEnvelope(body: Buffer): Fields | undefined {
  if (!body.subarray(0, magic.length).equals(magic)) throw new ProtobufError('the body does not begin with "k8s\\0"')
  const unknown = body.subarray(magic.length)
  const typeMeta = member(unknown, 1) ?? Buffer.alloc(0)
  const apiVersion = member(typeMeta, 1)?.toString('utf8') ?? ''
  const kind = member(typeMeta, 2)?.toString('utf8') ?? ''
  const slash = apiVersion.indexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  const model = modelFor(group, apiVersion.slice(slash + 1), kind)
  if (model === undefined) return undefined
  return { apiVersion, kind, ...decodeMessage(member(unknown, 2) ?? Buffer.alloc(0), model) }
}

function modelFor(group: string, version: string, kind: string): string | undefined {
  if (!/^v\d/.test(version)) return undefined
  const model = kind === 'TokenRequest' ? 'AuthenticationV1TokenRequest' : modelOf(group, version, kind)
  return isKnownModel(model) ? model : undefined
}
