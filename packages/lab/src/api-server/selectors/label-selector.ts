import { badRequest } from '../status.ts'

export interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt'
  readonly values: readonly string[]
}

export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

const name = String.raw`(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)`
const keyPattern = new RegExp(String.raw`^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?${name}$`)
const valuePattern = new RegExp(`^${name}?$`)

export const isLabelKey = (key: string): boolean => keyPattern.test(key)
export const isLabelValue = (value: string): boolean => valuePattern.test(value)

/** The text of `labelSelector=`: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */
export function parseLabelSelector(text: string): Requirement[] {
  return splitTopLevel(text).map(part => parseRequirement(part.trim(), text))
}

function parseRequirement(part: string, whole: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part)
  if (set !== null) {
    const values = set[3]!.split(',').map(value => value.trim())
    return checked({ key: set[1]!, operator: set[2] as 'in' | 'notin', values }, whole)
  }
  const compared = /^([^\s!=<>]+)\s*(==|=|!=|>|<)\s*(\S*)$/.exec(part)
  if (compared !== null) {
    const operators = { '=': 'in', '==': 'in', '!=': 'notin', '>': 'gt', '<': 'lt' } as const
    const operator = operators[compared[2] as keyof typeof operators]
    return checked({ key: compared[1]!, operator, values: [compared[3]!] }, whole)
  }
  const absent = /^!\s*(\S+)$/.exec(part)
  if (absent !== null) return checked({ key: absent[1]!, operator: 'absent', values: [] }, whole)
  return checked({ key: part, operator: 'exists', values: [] }, whole)
}

function checked(requirement: Requirement, whole: string): Requirement {
  const { key, operator, values } = requirement
  if (!isLabelKey(key))
    throw badRequest(`unable to parse requirement: <nil>: Invalid value: "${key}": in selector "${whole}"`)
  for (const value of values) {
    const numeric = operator === 'gt' || operator === 'lt'
    if (numeric ? !/^-?\d+$/.test(value) : !isLabelValue(value)) {
      throw badRequest(
        `unable to parse requirement: values[0][${key}]: Invalid value: "${value}": in selector "${whole}"`
      )
    }
  }
  return requirement
}

/** Commas inside parentheses belong to a set. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const character of text) {
    if (character === '(') depth += 1
    if (character === ')') depth -= 1
    if (character === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else {
      part += character
    }
  }
  if (part.trim() !== '') parts.push(part)
  return parts
}

export function matchesLabels(
  requirements: readonly Requirement[],
  labels: Record<string, string> | undefined
): boolean {
  return requirements.every(requirement => matchesRequirement(requirement, labels ?? {}))
}

function matchesRequirement({ key, operator, values }: Requirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value)
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'lt':
      return value !== undefined && Number(value) < Number(values[0])
  }
}

/** The `selector` of a Deployment and its like. An empty one selects everything. */
export function fromLabelSelector(selector: LabelSelector | undefined): Requirement[] {
  const operators: Record<string, Requirement['operator']> = {
    In: 'in',
    NotIn: 'notin',
    Exists: 'exists',
    DoesNotExist: 'absent'
  }
  return [
    ...Object.entries(selector?.matchLabels ?? {}).map(
      ([key, value]): Requirement => ({ key, operator: 'in', values: [value] })
    ),
    ...(selector?.matchExpressions ?? []).map(({ key, operator, values }): Requirement => {
      const known = operators[operator]
      if (known === undefined) throw badRequest(`"${operator}" is not a valid label selector operator`)
      return { key, operator: known, values: values ?? [] }
    })
  ]
}

/** A selector as the text the API takes, for `scale` and printing. */
export function formatRequirements(requirements: readonly Requirement[]): string {
  return requirements
    .map(({ key, operator, values }) => {
      if (operator === 'in' && values.length === 1) return `${key}=${values[0]}`
      if (operator === 'exists') return key
      if (operator === 'absent') return `!${key}`
      return `${key} ${operator} (${values.join(',')})`
    })
    .join(',')
}
