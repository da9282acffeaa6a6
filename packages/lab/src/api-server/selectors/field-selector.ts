import { isFields, type KubeObject } from '../objects.ts'
import { badRequest } from '../status.ts'

export interface FieldRequirement {
  readonly path: string
  readonly equal: boolean
  readonly value: string
}

/** The text of `fieldSelector=`: `spec.nodeName=one,status.phase!=Failed`. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const parts = text.split(',').filter(part => part.trim() !== '')
  return parts.map(part => {
    const match = /^\s*([A-Za-z0-9_.[\]/-]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part)
    if (match === null) throw badRequest(`invalid field selector: "${text}"; can't understand "${part}"`)
    return { path: match[1]!, equal: match[2] !== '!=', value: match[3]! }
  })
}

/**
 * Any path down to a scalar may be selected by, where Kubernetes knows a fixed list for each kind. An absent field
 * equals the empty string.
 */
export function matchesFields(requirements: readonly FieldRequirement[], object: KubeObject): boolean {
  return requirements.every(({ path, equal, value }) => (scalarAt(object, path) === value) === equal)
}

function scalarAt(object: KubeObject, path: string): string {
  let value: unknown = object
  for (const part of path.split('.')) {
    value = isFields(value) && Object.hasOwn(value, part) ? value[part] : undefined
  }
  if (typeof value === 'boolean' || typeof value === 'number') return String(value)
  return typeof value === 'string' ? value : ''
}
