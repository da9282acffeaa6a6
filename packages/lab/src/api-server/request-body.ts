import type { IncomingMessage } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { type Fields, isFields } from './objects.ts'
import { badRequest, tooLarge, unsupportedMediaType } from './status.ts'

/** Kubernetes' limit for the body of a request. */
export const maxBodyBytes: number = 3 * 1024 * 1024

export async function readBody(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
  const chunks: Buffer[] = []
  let length = 0
  // Leaving the loop must not destroy the connection: the refusal still has to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) throw tooLarge(maxBodyBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The media type of the body, without parameters; JSON when none is said, as Kubernetes takes it. */
export function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase()
}

/** The body as any JSON value. */
export function parseBody(text: string, type: string): unknown {
  if (type.endsWith('yaml')) {
    try {
      const value: unknown = parseYaml(text, { schema: 'core', merge: true, maxAliasCount: 100 })
      return text.includes('__proto__') ? withoutPrototypes(JSON.stringify(value)) : value
    } catch (error) {
      throw badRequest(`error decoding YAML: ${messageOf(error)}`)
    }
  }
  try {
    return text.includes('__proto__') ? withoutPrototypes(text) : JSON.parse(text)
  } catch (error) {
    throw badRequest(`error decoding JSON: ${messageOf(error)}`)
  }
}

/** A key of this name would set the prototype of a copy instead of a field. */
function withoutPrototypes(json: string): unknown {
  return JSON.parse(json, (key, value) => (key === '__proto__' ? undefined : value))
}

/** The body of a create or update: one object, in JSON or YAML. */
export function parseObject(text: string, type: string): Fields {
  if (type !== 'application/json' && type !== 'application/yaml') {
    throw unsupportedMediaType(['application/json', 'application/yaml'])
  }
  const value = parseBody(text, type)
  if (!isFields(value)) throw badRequest('the body of the request is not an object')
  return value
}

/** A parser's message quotes the input; keep it short and printable. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is being removed
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 200)
}
