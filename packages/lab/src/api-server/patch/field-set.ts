import { equal, type Fields, isFields } from '../objects.ts'
import { type Definitions, fieldSchema, resolve, type Schema } from '../schema/schema.ts'

/**
 * A set of fields as a tree whose branches are the path elements of Kubernetes' FieldsV1: `f:name` is a field, `k:{…}`
 * the item of a list with these keys, `v:…` a value of a set.
 */
export interface FieldSet {
  /** The field itself is in the set, not only fields below it. */
  readonly member: boolean
  readonly children: ReadonlyMap<string, FieldSet>
}

export const emptySet: FieldSet = { member: false, children: new Map() }
const leaf: FieldSet = { member: true, children: new Map() }

export const isEmpty = ({ member, children }: FieldSet): boolean => !member && children.size === 0

function make(member: boolean, children: Map<string, FieldSet>): FieldSet {
  for (const [key, child] of children) if (isEmpty(child)) children.delete(key)
  return { member, children }
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children)
  for (const [key, child] of b.children) children.set(key, union(children.get(key) ?? emptySet, child))
  return make(a.member || b.member, children)
}

export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children)
  for (const [key, child] of a.children) children.set(key, difference(child, b.children.get(key) ?? emptySet))
  return make(a.member && !b.member, children)
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>()
  for (const [key, child] of a.children) children.set(key, intersection(child, b.children.get(key) ?? emptySet))
  return make(a.member && b.member, children)
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a))
}

export function filterSet(
  set: FieldSet,
  keep: (path: readonly string[]) => boolean,
  path: readonly string[] = []
): FieldSet {
  const children = new Map(
    [...set.children].map(([key, child]) => [key, filterSet(child, keep, [...path, key])] as const)
  )
  return make(set.member && keep(path), children)
}

/** All members, as lists of path elements. */
export function members(set: FieldSet, path: readonly string[] = []): (readonly string[])[] {
  const below = [...set.children].flatMap(([key, child]) => members(child, [...path, key]))
  return set.member ? [path, ...below] : below
}

/** The form in `metadata.managedFields`. */
export function toFieldsV1({ member, children }: FieldSet): Fields {
  const entries = [...children]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, child]) => [key, toFieldsV1(child)] as const)
  return Object.fromEntries(member && entries.length > 0 ? [['.', {}] as const, ...entries] : entries)
}

export function fromFieldsV1(fields: unknown): FieldSet {
  if (!isFields(fields)) return emptySet
  const keys = Object.keys(fields)
  const children = new Map(keys.filter(key => key !== '.').map(key => [key, fromFieldsV1(fields[key])] as const))
  return { member: children.size === 0 || keys.includes('.'), children }
}

/** The fields an object sets, down to its scalars; lists and maps the schema calls atomic count as one. */
export function fieldsOf(value: unknown, schema: Schema | undefined, definitions: Definitions): FieldSet {
  const known = resolve(schema, definitions)
  if (isFields(value) && known?.['x-kubernetes-map-type'] !== 'atomic') {
    const children = new Map<string, FieldSet>()
    for (const [key, field] of Object.entries(value)) {
      if (field !== undefined)
        children.set(`f:${key}`, fieldsOf(field, fieldSchema(known, key, definitions), definitions))
    }
    return children.size === 0 ? leaf : { member: false, children }
  }
  if (Array.isArray(value) && known !== undefined) {
    const keyed = itemElements(value, known)
    if (keyed !== undefined && keyed.length > 0) {
      const children = new Map<string, FieldSet>()
      for (const { element, item } of keyed) {
        const below = element.startsWith('k:') ? fieldsOf(item, known.items, definitions) : emptySet
        children.set(element, { member: true, children: below.children })
      }
      return { member: false, children }
    }
  }
  return leaf
}

/** The items of a list by path element; undefined when the list is one value. */
export function itemElements(
  list: readonly unknown[],
  schema: Schema | undefined
): { element: string; item: unknown }[] | undefined {
  if (schema?.['x-kubernetes-list-type'] === 'set') {
    return list.map(item => ({ element: `v:${JSON.stringify(item)}`, item }))
  }
  const keys = schema?.['x-kubernetes-list-map-keys']
  if (schema?.['x-kubernetes-list-type'] !== 'map' || keys === undefined || !list.every(isFields)) return undefined
  return list.map(item => ({ element: keyElement(item as Fields, keys, schema), item }))
}

function keyElement(item: Fields, keys: readonly string[], schema: Schema): string {
  const pairs = [...keys].sort().map(key => [key, item[key] ?? keyDefault(key, schema)] as const)
  return `k:${JSON.stringify(Object.fromEntries(pairs.filter(([, value]) => value !== undefined)))}`
}

/** A key that was left out has its default: the only one among the built-in types is the protocol. */
function keyDefault(key: string, schema: Schema): unknown {
  return schema.items?.properties?.[key]?.default ?? (key === 'protocol' ? 'TCP' : undefined)
}

/** The value at a path, or undefined. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const element of path) {
    if (element.startsWith('f:')) {
      found = isFields(found) ? found[element.slice(2)] : undefined
    } else if (Array.isArray(found)) {
      const wanted: unknown = JSON.parse(element.slice(2))
      found = found.find(item => (element.startsWith('k:') ? hasKeys(item, wanted) : equal(item, wanted)))
    } else {
      return undefined
    }
  }
  return found
}

export function hasKeys(item: unknown, keys: unknown): boolean {
  if (!isFields(item) || !isFields(keys)) return false
  return Object.entries(keys).every(([key, value]) =>
    equal(item[key] ?? (key === 'protocol' ? 'TCP' : undefined), value)
  )
}

/** A path as messages word it: `.spec.containers[name="main"].image`. */
export function formatPath(path: readonly string[]): string {
  return path
    .map(element => {
      if (element.startsWith('f:')) return `.${element.slice(2)}`
      const value: unknown = JSON.parse(element.slice(2))
      if (!isFields(value)) return `[=${JSON.stringify(value)}]`
      return `[${Object.entries(value)
        .map(([key, one]) => `${key}=${JSON.stringify(one)}`)
        .join(',')}]`
    })
    .join('')
}
