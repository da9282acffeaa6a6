/**
 * Two-space indent, keys sorted at every level; undefined members are left out. The text is made as it is asked for. Lists
 * may be of any kind that can be gone through, and are made on the way too: undefined in one is a step in which nothing
 * came of it.
 */
export function* sortedJsonPieces(value: unknown, indent = ''): Generator<string> {
  if (!isContainer(value)) yield JSON.stringify(value)
  else if (Symbol.iterator in value) yield* list(value as Iterable<unknown>, indent)
  else yield* members(value as Readonly<Record<string, unknown>>, indent)
}

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null

function* list(items: Iterable<unknown>, indent: string): Generator<string> {
  const inner = `${indent}  `
  let text = '['
  let isEmpty = true
  for (const item of items) {
    if (item !== undefined) {
      text += `${isEmpty ? '' : ','}\n${inner}`
      isEmpty = false
      if (isContainer(item)) {
        yield text
        yield* sortedJsonPieces(item, inner)
        text = ''
      } else text += JSON.stringify(item)
    } else yield ''
  }
  yield isEmpty ? `${text}]` : `${text}\n${indent}]`
}

function* members(value: Readonly<Record<string, unknown>>, indent: string): Generator<string> {
  const inner = `${indent}  `
  let text = '{'
  let isEmpty = true
  for (const key of Object.keys(value).sort()) {
    const member = value[key]
    if (member === undefined) continue
    text += `${isEmpty ? '' : ','}\n${inner}${JSON.stringify(key)}: `
    isEmpty = false
    if (isContainer(member)) {
      yield text
      yield* sortedJsonPieces(member, inner)
      text = ''
    } else text += JSON.stringify(member)
  }
  yield isEmpty ? `${text}}` : `${text}\n${indent}}`
}
