/** The file is not what this reader knows: it takes the whole YAML parser, on the whole file. */
export class NotBlockStyle extends Error {
  override readonly name = 'NotBlockStyle'
}

export type Section = 'workloads' | 'services' | 'policies'

export interface BlockItem {
  readonly section: Section
  readonly position: number
  /** In which the item's own lines are, dash and all, from start to end. */
  readonly text: string
  readonly start: number
  readonly end: number
}

const sectionLine = /(workloads|services|policies):[ ]*(?:#.*)?\n/y

/**
 * Takes a file apart that is a mapping of block sequences, one item at a time, so that a mesh need not be in memory as
 * one document. Within an item every line is indented deeper than its dash, whatever is in it (YAML 1.2.2, 8.2.1), so
 * a dash in that column starts the next. Throws NotBlockStyle at anything else.
 */
export function* blockItems(chunks: Iterable<string>): Generator<BlockItem> {
  const seen = new Set<Section>()
  let section: Section | undefined
  /** Indentation and dash of the section's items; undefined before the first. */
  let dash: string | undefined
  let position = 0
  let text = ''

  const isItem = (line: number): boolean => {
    if (section === undefined) return false
    dash ??= /^ *-/.exec(text.slice(line, lineEnd(text, line)))?.[0]
    if (dash === undefined || !text.startsWith(dash, line)) return false
    const after = text.charCodeAt(line + dash.length)
    return after === space || after === newline
  }

  for (const chunk of withLastNewline(chunks)) {
    text = inOnePiece(text + chunk)
    /** Where the item that is being read begins; undefined between items. */
    let item: number | undefined
    let line = 0
    const finish = function* (end: number): Generator<BlockItem> {
      if (item !== undefined && section !== undefined) yield { section, position: position++, text, start: item, end }
      item = undefined
    }
    for (let end = text.indexOf('\n'); end >= 0; line = end + 1, end = text.indexOf('\n', line)) {
      const first = text.charCodeAt(line)
      if (isItem(line)) {
        yield* finish(line)
        item = line
      } else if (first === newline || first === hash || (first === space && isEmpty(text, line, end))) {
        // Belongs to nobody.
      } else if (first === space && item !== undefined) {
        // Of the item; whether it is indented enough shows when that is read.
      } else {
        yield* finish(line)
        section = nextSection(text, line, seen)
        dash = undefined
        position = 0
      }
    }
    text = text.slice(item ?? line)
  }
  if (text !== '' && section !== undefined) yield { section, position, text, start: 0, end: text.length }
}

/**
 * The same text as V8 reads it fastest, character by character: a text put together of others is a tree to it, and a part
 * of another an offset, for as long as it lives.
 */
function inOnePiece(text: string): string {
  return isAscii(text) ? Buffer.from(text, 'latin1').toString('latin1') : text
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is asked for.
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)

const space = 0x20
const newline = 0x0a
const hash = 0x23

function nextSection(text: string, line: number, seen: Set<Section>): Section {
  sectionLine.lastIndex = line
  const name = sectionLine.exec(text)?.[1] as Section | undefined
  if (name === undefined || seen.has(name)) throw new NotBlockStyle('a line of another kind')
  seen.add(name)
  return name
}

/** Nothing there but spaces and perhaps a comment. */
function isEmpty(text: string, start: number, end: number): boolean {
  let at = start
  while (text.charCodeAt(at) === space) at++
  return at === end || text.charCodeAt(at) === hash
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end < 0 ? text.length : end
}

function* withLastNewline(chunks: Iterable<string>): Generator<string> {
  let last = '\n'
  for (const chunk of chunks) {
    if (chunk === '') continue
    yield chunk
    last = chunk
  }
  if (!last.endsWith('\n')) yield '\n'
}
