import { equal, type Fields, isFields } from '../objects.ts'
import { type Definitions, fieldSchema, resolve, type Schema } from '../schema/schema.ts'
import { badRequest } from '../status.ts'

/**
 * Kubernetes' strategic merge patch: as a merge patch, but lists whose items have a merge key are merged item by item,
 * and the directives `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…` are obeyed.
 */
export function applyStrategicMerge(
  target: unknown,
  patch: unknown,
  schema: Schema | undefined,
  definitions: Definitions
): unknown {
  if (!isFields(patch)) throw badRequest('strategic merge patch: expected an object')
  return mergeObject(isFields(target) ? target : {}, patch, schema, definitions)
}

const setOrder = '$setElementOrder/'
const deletePrimitives = '$deleteFromPrimitiveList/'

function mergeObject(target: Fields, patch: Fields, schema: Schema | undefined, definitions: Definitions): Fields {
  if (patch.$patch === 'replace') return withoutDirectives(patch)
  if (patch.$patch === 'delete') return {}
  if (patch.$patch !== undefined && patch.$patch !== 'merge') {
    throw badRequest(
      `Unknown patch type $patch: ${JSON.stringify(patch.$patch)}; one of replace, delete, merge is allowed`
    )
  }
  const result: Fields = { ...target }
  if (Array.isArray(patch.$retainKeys)) {
    for (const key of Object.keys(result)) if (!patch.$retainKeys.includes(key)) delete result[key]
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys') continue
    if (key.startsWith(setOrder) || key.startsWith(deletePrimitives)) continue
    if (value === null) {
      delete result[key]
      continue
    }
    result[key] = mergeField(result[key], value, fieldSchema(schema, key, definitions), definitions)
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deletePrimitives)) {
      const field = key.slice(deletePrimitives.length)
      const items = result[field]
      if (Array.isArray(items) && Array.isArray(value)) {
        result[field] = items.filter(item => !value.some(gone => equal(gone, item)))
      }
    }
  }
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith(setOrder) || !Array.isArray(value)) continue
    const field = key.slice(setOrder.length)
    const items = result[field]
    const mergeKey = fieldSchema(schema, field, definitions)?.['x-kubernetes-patch-merge-key']
    if (Array.isArray(items)) result[field] = inOrder(items, value, mergeKey)
  }
  return result
}

function mergeField(target: unknown, patch: unknown, schema: Schema | undefined, definitions: Definitions): unknown {
  if (isFields(patch)) return mergeObject(isFields(target) ? target : {}, patch, schema, definitions)
  if (!Array.isArray(patch)) return patch
  const existing = Array.isArray(target) ? target : []
  if (schema?.['x-kubernetes-patch-strategy'] !== 'merge') return patch.map(withoutDirectives)
  const mergeKey = schema['x-kubernetes-patch-merge-key']
  if (mergeKey === undefined) return [...existing, ...patch.filter(item => !existing.some(one => equal(one, item)))]
  return mergeList(existing, patch, mergeKey, resolve(schema.items, definitions), definitions)
}

function mergeList(
  target: readonly unknown[],
  patch: readonly unknown[],
  mergeKey: string,
  schema: Schema | undefined,
  definitions: Definitions
): unknown[] {
  if (patch.some(item => isFields(item) && item.$patch === 'replace')) {
    return patch.filter(item => !isDirectiveOnly(item)).map(withoutDirectives)
  }
  let result = [...target]
  for (const item of patch) {
    if (!isFields(item)) throw badRequest(`strategic merge patch: a list merged by "${mergeKey}" holds ${typeof item}`)
    const key = item[mergeKey]
    if (key === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
    }
    const index = result.findIndex(one => isFields(one) && equal(one[mergeKey], key))
    if (item.$patch === 'delete') {
      result = result.filter(one => !(isFields(one) && equal(one[mergeKey], key)))
    } else if (index < 0) {
      result.push(mergeObject({}, item, schema, definitions))
    } else {
      result[index] = mergeObject(result[index] as Fields, item, schema, definitions)
    }
  }
  return result
}

/** Items the order names come in that order; the others keep their place relative to their neighbours. */
function inOrder(items: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): unknown[] {
  const keyOf = (item: unknown): unknown => (mergeKey !== undefined && isFields(item) ? item[mergeKey] : item)
  const position = (item: unknown): number => order.findIndex(one => equal(keyOf(one), keyOf(item)))
  const named = items.filter(item => position(item) >= 0).sort((a, b) => position(a) - position(b))
  const result = [...named]
  // An item the order does not name stays right after the item it followed.
  items.forEach((item, index) => {
    if (position(item) >= 0) return
    const before = index === 0 ? -1 : result.indexOf(items[index - 1])
    result.splice(before + 1, 0, item)
  })
  return result
}

const isDirectiveOnly = (item: unknown): boolean =>
  isFields(item) && Object.hasOwn(item, '$patch') && Object.keys(item).length === 1

/** What is put in whole must not keep the directives it came with. */
function withoutDirectives<T>(value: T): T {
  if (Array.isArray(value)) return value.filter(item => !isDirectiveOnly(item)).map(withoutDirectives) as T
  if (!isFields(value)) return value
  const entries = Object.entries(value).filter(([key, field]) => !key.startsWith('$') && field !== null)
  return Object.fromEntries(entries.map(([key, field]) => [key, withoutDirectives(field)])) as T
}
