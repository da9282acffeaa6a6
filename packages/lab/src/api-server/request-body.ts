import type { IncomingMessage } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { type Fields, isFields } from './objects.ts'
import { decodeEnvelope, protobufType } from './protobuf/envelope.ts'
import { ProtobufError } from './protobuf/reader.ts'
import { badRequest, tooLarge, unsupportedMediaType } from './status.ts'

/** Kubernetes' limit for the body of a request. */
export const maxBodyBytes: number = 3 * 1024 * 1024

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
  const chunks: Buffer[] = []
  let length = 0
  // Leaving the loop must not destroy the connection: the refusal still has to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) throw tooLarge(maxBodyBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The media type of the body, without parameters; JSON when none is said, as Kubernetes takes it. */
export function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase()
}

/** The body as any JSON value. */
export function parseBody(body: Buffer, type: string): unknown {
  if (type === protobufType) return parseProtobuf(body)
  const text = body.toString('utf8')
  const hasPrototype = text.includes('__proto__')
  if (type.endsWith('yaml')) {
    try {
      const value: unknown = parseYaml(text, { schema: 'core', merge: true, maxAliasCount: 100 })
      return hasPrototype ? withoutPrototypes(JSON.stringify(value)) : value
    } catch (error) {
      throw badRequest(`error decoding YAML: ${messageOf(error)}`)
    }
  }
  try {
    return hasPrototype ? withoutPrototypes(text) : JSON.parse(text)
  } catch (error) {
    throw badRequest(`error decoding JSON: ${messageOf(error)}`)
  }
}

function parseProtobuf(body: Buffer): unknown {
  try {
    const object = decodeEnvelope(body)
    if (object !== undefined) return object
  } catch (error) {
    if (error instanceof ProtobufError) throw badRequest(`error decoding protobuf: ${messageOf(error)}`)
    throw error
  }
  throw unsupportedMediaType(['application/json', 'application/yaml'])
}

/** A key of this name would set the prototype of a copy instead of a field. */
function withoutPrototypes(json: string): unknown {
  return JSON.parse(json, (key, value) => (key === '__proto__' ? undefined : value))
}

/** The body of a create or update: one object, in JSON, YAML or protobuf. */
export function parseObject(body: Buffer, type: string): Fields {
  const accepted = ['application/json', 'application/yaml', protobufType]
  if (!accepted.includes(type)) throw unsupportedMediaType(accepted)
  const value = parseBody(body, type)
  if (!isFields(value)) throw badRequest('the body of the request is not an object')
  return value
}

/** A parser's message quotes the input; keep it short and printable. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is being removed
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 200)
}
