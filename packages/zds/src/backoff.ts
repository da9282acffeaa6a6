/** A series of waits in milliseconds (docs/spec/zds.md 3.2). */
export interface Backoff {
  next(): number
}

const longest = 15_000

/** 20 ms, doubling to 15 s; a new series for every connect phase. */
export function connectBackoff(): Backoff {
  let wait = 10
  return {
    next() {
      wait = Math.min(wait * 2, longest)
      return wait
    }
  }
}

/**
 * For a hello that cannot be written, kept over connections: doubling from 500 ms, as long as the node agent may still
 * be starting; each time ztunnel becomes ready the series starts over at 5 ms. ±20 %, so that nodes do not march in step.
 */
export function createHelloBackoff(random: () => number): Backoff & { becameReady(): void } {
  let wait = 500
  return {
    next() {
      const jittered = wait * (0.8 + 0.4 * random())
      wait = Math.min(wait * 2, longest)
      return Math.min(Math.round(jittered), longest)
    },
    becameReady() {
      wait = 5
    }
  }
}
