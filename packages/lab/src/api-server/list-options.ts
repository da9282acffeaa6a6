import type { KubeObject } from './objects.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { matchesFields, parseFieldSelector } from './selectors/field-selector.ts'
import { matchesLabels, parseLabelSelector } from './selectors/label-selector.ts'
import { badRequest, expired, versionAhead } from './status.ts'
import type { Store } from './store.ts'

export type Matches = (object: KubeObject) => boolean

/** The selectors of a list or watch; a name in the path selects as `metadata.name` does. */
export function selection(query: URLSearchParams, name?: string): Matches {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
  return object =>
    (name === undefined || object.metadata.name === name) &&
    matchesLabels(labels, object.metadata.labels) &&
    matchesFields(fields, object)
}

/** A count or a revision in the query; absent and empty are the same. */
export function numberOption(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}: must be a whole number`)
  return Number(text)
}

export function booleanOption(query: URLSearchParams, name: string): boolean {
  return ['true', '1'].includes(query.get(name) ?? '')
}

export interface Page {
  readonly items: KubeObject[]
  readonly revision: number
  readonly continueToken: string | undefined
  readonly remaining: number | undefined
}

interface ContinueToken {
  readonly revision: number
  /** The last item that was sent, as namespace/name. */
  readonly after: string
}

/** One page of a list. Later pages show the state of the first, as long as the history reaches back to it. */
export function listPage(
  store: Store,
  definition: ResourceDefinition,
  namespace: string | undefined,
  query: URLSearchParams
): Page {
  const matches = selection(query)
  const limit = numberOption(query, 'limit')
  const token = readToken(query.get('continue') ?? '')
  const asked = numberOption(query, 'resourceVersion') ?? 0
  if (asked > store.revision) throw versionAhead(asked, store.revision)
  const exact = query.get('resourceVersionMatch') === 'Exact' ? asked : undefined
  const revision = token?.revision ?? exact ?? store.revision
  const state =
    revision === store.revision
      ? store.list(definition.storageKey, namespace)
      : store.listAt(definition.storageKey, revision, namespace)
  if (state === undefined) {
    throw expired(
      token === undefined
        ? `The resourceVersion for the provided list is too old.`
        : 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.'
    )
  }
  const after = token?.after
  const rest = state.filter(object => matches(object) && (after === undefined || positionOf(object) > after))
  if (limit === undefined || limit === 0 || rest.length <= limit) {
    return { items: rest, revision, continueToken: undefined, remaining: undefined }
  }
  const items = rest.slice(0, limit)
  return {
    items,
    revision,
    continueToken: writeToken({ revision, after: positionOf(items.at(-1)!) }),
    remaining: rest.length - limit
  }
}

const positionOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`

const writeToken = (token: ContinueToken): string => Buffer.from(JSON.stringify(token)).toString('base64url')

function readToken(text: string): ContinueToken | undefined {
  if (text === '') return undefined
  try {
    const { revision, after } = JSON.parse(Buffer.from(text, 'base64url').toString()) as ContinueToken
    if (Number.isSafeInteger(revision) && typeof after === 'string') return { revision, after }
  } catch {
    // Said below: a token that is not ours.
  }
  throw badRequest('continue key is not valid')
}
