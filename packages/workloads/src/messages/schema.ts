import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'
import { WorkloadsError } from '../errors.ts'

let root: protobuf.Root | undefined

/** Our own .proto files lie beside src and dist, and are read once, when the first message is coded. */
function schema(): protobuf.Root {
  if (root !== undefined) return root
  const loaded = new protobuf.Root()
  loaded.resolvePath = (_origin, target) => fileURLToPath(new URL(`../../proto/${target}`, import.meta.url))
  loaded.loadSync(['workload.proto', 'authorization.proto', 'discovery.proto', 'client-status.proto'])
  root = loaded
  return root
}

export interface Codec<Message> {
  readonly encode: (message: Message) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Message
}

/**
 * Plain objects to bytes and back. Fields that hold their default are not written, and absent ones do not appear in
 * the decoded object; enums stay numbers.
 */
export function codec<Message extends object>(name: string): Codec<Message> {
  let type: protobuf.Type | undefined
  const resolved = (): protobuf.Type => {
    type ??= schema().lookupType(name)
    return type
  }
  return {
    encode(message) {
      try {
        return resolved().encode(message).finish()
      } catch (error) {
        throw new WorkloadsError('WORKLOADS_UNENCODABLE', `not a valid ${name}: ${text(error)}`, { cause: error })
      }
    },
    decode(bytes) {
      try {
        return resolved().toObject(resolved().decode(bytes)) as Message
      } catch (error) {
        const message = `${bytes.length} bytes are not a ${name}: ${text(error)}`
        throw new WorkloadsError('WORKLOADS_UNDECODABLE', message, { cause: error })
      }
    }
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))
