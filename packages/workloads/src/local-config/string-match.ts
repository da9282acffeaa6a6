import type { CollectionTag, ScalarTag } from 'yaml'
import type { StringMatch } from '../model/authorization.ts'
import { type Reader, wrong } from './reader.ts'

/** String matches are YAML tags (`!Exact a`), so they come out of the parser as values of their own. */
class TaggedMatch {
  readonly match: StringMatch

  constructor(match: StringMatch) {
    this.match = match
  }
}

const scalar = (tag: string, kind: 'exact' | 'prefix' | 'suffix'): ScalarTag => ({
  tag,
  resolve: value => new TaggedMatch({ kind, value })
})

const presence = new TaggedMatch({ kind: 'presence' })

/** A presence says nothing more; it is written bare, or like in JSON with an empty list. */
const barePresence: ScalarTag = { tag: '!Presence', resolve: () => presence }
const listPresence: CollectionTag = { tag: '!Presence', collection: 'seq', resolve: () => presence }

export const stringMatchTags: readonly (ScalarTag | CollectionTag)[] = [
  scalar('!Exact', 'exact'),
  scalar('!Prefix', 'prefix'),
  scalar('!Suffix', 'suffix'),
  barePresence,
  listPresence
]

export function stringMatch(reader: Reader): StringMatch {
  if (!(reader.value instanceof TaggedMatch))
    throw wrong(reader, '!Exact, !Prefix or !Suffix with a text, or !Presence')
  return reader.value.match
}
