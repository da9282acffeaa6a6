/**
 * Some positions of a bit set of fixed size: as they are while they are few, as words as soon as these are shorter. So
 * no use of them costs more than going through the words once.
 */
export class Marks {
  #positions: number[] = []
  #words: Uint32Array | undefined

  /** `words`: how many the bit sets have. */
  add(position: number, words: number): void {
    if (this.#words === undefined) {
      this.#positions.push(position)
      if (this.#positions.length <= words) return
      this.#words = new Uint32Array(words)
      for (const earlier of this.#positions) mark(this.#words, earlier)
      this.#positions = []
    } else mark(this.#words, position)
  }

  setIn(set: Uint32Array): void {
    const words = this.#words
    if (words === undefined) for (const position of this.#positions) mark(set, position)
    else for (let i = 0; i < words.length; i++) set[i]! |= words[i]!
  }

  clearIn(set: Uint32Array): void {
    const words = this.#words
    if (words === undefined) for (const position of this.#positions) set[position >> 5]! &= ~(1 << (position & 31))
    else for (let i = 0; i < words.length; i++) set[i]! &= ~words[i]!
  }
}

export function mark(set: Uint32Array, position: number): void {
  set[position >> 5]! |= 1 << (position & 31)
}

export const isMarked = (set: Uint32Array, position: number): boolean =>
  ((set[position >> 5]! >>> (position & 31)) & 1) === 1
