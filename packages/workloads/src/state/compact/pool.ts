/**
 * Values that many workloads share, each kept once under a small number. Holders are counted, so a mesh whose names
 * keep changing does not fill it. Number 0 is never given: it stands for "none".
 */
export interface Pool<Value> {
  /** The value's number, held once more. `key` is equal for equal values; `make` is asked for a value not yet known. */
  readonly hold: (key: string, make: () => Value) => number
  /** Once more, by number. */
  readonly again: (id: number) => number
  readonly release: (id: number) => void
  readonly get: (id: number) => Value
  readonly size: () => number
}

export function createPool<Value>(onNew?: (value: Value) => void): Pool<Value> {
  const ids = new Map<string, number>()
  const keys: string[] = ['']
  const values: (Value | undefined)[] = [undefined]
  const holders: number[] = [0]
  const unused: number[] = []
  return {
    hold(key, make) {
      const known = ids.get(key)
      if (known !== undefined) {
        holders[known]!++
        return known
      }
      const id = unused.pop() ?? keys.length
      const own = ownCopy(key)
      ids.set(own, id)
      keys[id] = own
      const value = make()
      values[id] = typeof value === 'string' && value === own ? (own as Value) : value
      holders[id] = 1
      onNew?.(values[id] as Value)
      return id
    },
    again(id) {
      if (id !== 0) holders[id]!++
      return id
    },
    release(id) {
      if (id === 0 || --holders[id]! > 0) return
      ids.delete(keys[id]!)
      keys[id] = ''
      values[id] = undefined
      unused.push(id)
    },
    get: id => values[id] as Value,
    size: () => ids.size
  }
}

/** A piece of a bigger string would keep all of it. */
const ownCopy = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
