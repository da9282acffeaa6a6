import { createRequire } from 'node:module'
import type { Authorization } from '../model/authorization.ts'
import type { Workload } from '../model/workload.ts'
import { type BlockItem, blockItems, NotBlockStyle } from './block-items.ts'
import { blockValue, notSimple } from './block-value.ts'
import { type LocalService, readService, readWorkload } from './read-address.ts'
import { readPolicy } from './read-policy.ts'
import { complaint, fields, list, Reader } from './reader.ts'
import { stringMatchTags } from './string-match.ts'

export interface LocalConfigSink {
  readonly workload: (workload: Workload) => void
  readonly service: (service: LocalService) => void
  readonly policy: (policy: Authorization) => void
  /** Everything so far comes again. */
  readonly restart: () => void
}

/**
 * Reads the file (its text in pieces) item by item where it is in block style, which takes a tenth of the time and
 * hardly any memory; everything else goes through the YAML parser as a whole. Both come to the same.
 */
export function readLocalConfig(chunks: () => Iterable<string>, sink: LocalConfigSink): void {
  try {
    for (const item of blockItems(chunks())) readItem(item, sink)
  } catch (error) {
    if (!(error instanceof NotBlockStyle)) throw error
    sink.restart()
    readWhole([...chunks()].join(''), sink)
  }
}

/** What a document says, or what is wrong with it. */
function parsed(yaml: string): { readonly value: unknown; readonly problem?: Error } {
  // Few need the parser, and it costs 3 MB.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  try {
    const document = parseDocument(yaml, { customTags: [...stringMatchTags], logLevel: 'error' })
    const [problem] = [...document.errors, ...document.warnings]
    return problem === undefined ? { value: document.toJS() } : { value: undefined, problem }
  } catch (error) {
    // Aliases of nothing or too many, and what is nested too deep, show only here.
    return { value: undefined, problem: error instanceof Error ? error : new Error(String(error)) }
  }
}

function readItem(item: BlockItem, sink: LocalConfigSink): void {
  const { section, position } = item
  const simple = blockValue(item.text, item.start, item.end)
  const value = simple === notSimple ? parsedAlone(item) : simple
  const reader = Reader.item(section, position, value)
  if (section === 'workloads') sink.workload(readWorkload(reader))
  else if (section === 'services') sink.service(readService(reader))
  else sink.policy(readPolicy(reader))
}

/** An item that refers to others, or that is wrong somehow, is for the whole file to explain. */
function parsedAlone({ text: all, start, end }: BlockItem): unknown {
  const text = all.slice(start, end)
  if (/[&*]/.test(text)) throw new NotBlockStyle('may have anchors or aliases')
  const { value } = parsed(text)
  if (!Array.isArray(value) || value.length !== 1) throw new NotBlockStyle('not one item')
  return value[0]
}

function readWhole(yaml: string, sink: LocalConfigSink): void {
  const { value, problem } = parsed(yaml)
  // The lines after the first are a piece of the file.
  if (problem !== undefined) throw complaint(problem.message.replace(/:?\n.*/s, ''), { cause: problem })
  fields(Reader.file(value ?? {}), ({ optional }) => {
    for (const workload of optional('workloads', list(readWorkload), [])) sink.workload(workload)
    for (const service of optional('services', list(readService), [])) sink.service(service)
    for (const policy of optional('policies', list(readPolicy), [])) sink.policy(policy)
  })
}
