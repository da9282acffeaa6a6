export interface LineWriter {
  readonly write: (line: string) => void
  /** Writes what is queued; call it before the process ends. */
  readonly flush: () => void
}

/** docs/spec/observability-dns.md 2: a queue of 10,000 lines that blocks rather than drops. */
const maxQueuedLines = 10_000

/** Collects the lines of one turn of the event loop into one write. `sink` must write synchronously. */
export function createLineWriter(sink: (text: string) => void): LineWriter {
  let queue: string[] = []
  const flush = (): void => {
    if (queue.length === 0) return
    const text = queue.join('')
    queue = []
    sink(text)
  }
  return {
    flush,
    write: line => {
      if (queue.push(line) === 1) setImmediate(flush)
      if (queue.length >= maxQueuedLines) flush()
    }
  }
}
