export interface LineWriter {
  readonly write: (line: string) => void
  /** Writes what is queued; call it before the process ends. */
  readonly flush: () => void
}

/** docs/spec/observability-dns.md 2: a queue of 10,000 lines that blocks rather than drops. */
const maxQueuedLines = 10_000

/** Milliseconds between writes while lines keep coming: a write costs as much as the making of several lines. */
const pause = 5

/** Collects the lines of one turn of the event loop into one write, in a storm those of several. `sink` must write synchronously. */
export function createLineWriter(sink: (text: string) => void): LineWriter {
  let queue: string[] = []
  let lastWrite = Number.NEGATIVE_INFINITY
  const flush = (): void => {
    if (queue.length === 0) return
    const text = queue.join('')
    queue = []
    lastWrite = performance.now()
    sink(text)
  }
  return {
    flush,
    write: line => {
      if (queue.push(line) === 1) {
        if (performance.now() - lastWrite < pause) setTimeout(flush, pause)
        else setImmediate(flush)
      }
      if (queue.length >= maxQueuedLines) flush()
    }
  }
}
