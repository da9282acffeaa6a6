import { isFields } from '../objects.ts'
import type { PrinterColumn } from '../resource-definition.ts'
import type { Column } from './columns.ts'
import { age } from './duration.ts'

const types: Readonly<Record<string, NonNullable<Column['type']>>> = {
  integer: 'integer',
  number: 'number',
  boolean: 'boolean'
}

/** A column as a CustomResourceDefinition describes it. */
export function customColumn({ name, type, jsonPath, priority = 0 }: PrinterColumn): Column {
  const steps = parseJsonPath(jsonPath)
  return {
    name,
    type: types[type] ?? 'string',
    wide: priority > 0,
    cell(object, now) {
      const [value] = steps === undefined ? [] : evaluate(steps, object)
      if (value === undefined || value === null) return type === 'date' ? '<unknown>' : null
      if (type === 'date') return age(String(value), now)
      return typeof value === 'object' ? JSON.stringify(value) : value
    }
  }
}

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly string[]; readonly value: string }

/**
 * The part of JSONPath that printer columns are written in: `.a.b`, `['a']`, `[0]`, `[*]` and
 * `[?(@.type=="Ready")]`. Undefined for anything else.
 */
function parseJsonPath(text: string): readonly Step[] | undefined {
  const steps: Step[] = []
  let rest = text.replace(/^\$/, '')
  while (rest !== '') {
    const match =
      /^\.((?:\\.|[\w-])+)/.exec(rest) ??
      /^\['([^']*)'\]/.exec(rest) ??
      /^\[(\d+)\]/.exec(rest) ??
      /^(?:\[\*\]|\.\*)/.exec(rest) ??
      /^\[\?\(@((?:\.[\w-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\]/.exec(rest)
    if (match === null) return undefined
    const [whole, first] = match
    if (whole.startsWith('[?'))
      steps.push({ kind: 'filter', path: first!.slice(1).split('.'), value: match[2] ?? match[3] ?? '' })
    else if (first === undefined) steps.push({ kind: 'all' })
    else if (whole.startsWith('[') && !whole.startsWith("['")) steps.push({ kind: 'index', index: Number(first) })
    else steps.push({ kind: 'field', name: first.replace(/\\(.)/g, '$1') })
    rest = rest.slice(whole.length)
  }
  return steps
}

export function evaluate(steps: readonly Step[], value: unknown): unknown[] {
  return steps.reduce<unknown[]>((found, step) => found.flatMap(one => take(step, one)), [value])
}

function take(step: Step, value: unknown): unknown[] {
  if (step.kind === 'field') return isFields(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
  if (!Array.isArray(value)) return step.kind === 'all' && isFields(value) ? Object.values(value) : []
  if (step.kind === 'index') return step.index < value.length ? [value[step.index]] : []
  if (step.kind === 'all') return value
  return value.filter(item => {
    const fields = step.path.map(name => ({ kind: 'field', name }) as const)
    return evaluate(fields, item).some(one => String(one) === step.value)
  })
}
