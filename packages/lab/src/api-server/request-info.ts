import { badRequest } from './status.ts'

/** What a path under /api or /apis names. */
export interface ResourcePath {
  readonly group: string
  readonly version: string
  readonly namespace: string | undefined
  readonly plural: string
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** What follows the subresource, as `proxy` takes it. */
  readonly rest: readonly string[]
  /** The old form, /api/v1/watch/…. */
  readonly watch: boolean
}

/** The decoded parts of a path, without empty ones. */
export function splitPath(path: string): string[] {
  try {
    return path
      .split('/')
      .filter(part => part !== '')
      .map(decodeURIComponent)
  } catch {
    throw badRequest('the path is not valid percent-encoding')
  }
}

/** `undefined` for paths that name no resource: discovery, health and the like. */
export function parseResourcePath(parts: readonly string[]): ResourcePath | undefined {
  const [root] = parts
  if (root !== 'api' && root !== 'apis') return undefined
  const [group, version, ...below] =
    root === 'api' ? ['', parts[1], ...parts.slice(2)] : [parts[1], parts[2], ...parts.slice(3)]
  if (group === undefined || version === undefined || below.length === 0) return undefined
  const watch = below[0] === 'watch' && below.length > 1
  let path = watch ? below.slice(1) : below
  let namespace: string | undefined
  // A namespace is itself a resource, with the subresources status and finalize.
  const inNamespace = path[0] === 'namespaces' && path.length > 2 && path[2] !== 'status' && path[2] !== 'finalize'
  if (inNamespace) {
    namespace = path[1]
    path = path.slice(2)
  }
  const [plural, name, subresource, ...rest] = path
  if (plural === undefined) return undefined
  return { group, version, namespace, plural, name, subresource, rest, watch }
}
