/**
 * Texts in order, each once. Undefined is a step in which none came: a hundred thousand are not sorted in one turn of
 * the event loop.
 */
export function* inOrder(texts: Iterable<string>): Generator<string | undefined> {
  const runs: string[][] = []
  let run: string[] = []
  for (const text of texts) {
    yield
    if (run.push(text) < runLength) continue
    runs.push(run.sort())
    run = []
  }
  runs.push(run.sort())
  let last: string | undefined
  for (const text of merged(runs)) {
    if (text !== last) yield text
    last = text
  }
}

const runLength = 1_000

function* merged(runs: readonly (readonly string[])[]): Generator<string, undefined> {
  const half = runs.length >> 1
  if (half === 0) {
    yield* runs[0] ?? []
    return
  }
  const [left, right] = [merged(runs.slice(0, half)), merged(runs.slice(half))]
  let [one, other] = [left.next().value, right.next().value]
  while (one !== undefined || other !== undefined) {
    if (other === undefined || (one !== undefined && one <= other)) {
      yield one!
      one = left.next().value
    } else {
      yield other
      other = right.next().value
    }
  }
}
