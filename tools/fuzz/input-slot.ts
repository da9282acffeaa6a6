/** The input being run, where the other thread can read it when the running one no longer answers. */
export interface InputSlot {
  readonly put: (input: Buffer) => void
  readonly input: () => Buffer
  /** Inputs put so far, modulo 2^32. */
  readonly count: () => number
}

const headerBytes = 8
const maxInput = 1 << 20
export const slotBytes: number = headerBytes + maxInput

export function openSlot(shared: SharedArrayBuffer): InputSlot {
  const header = new Uint32Array(shared, 0, headerBytes / 4)
  const bytes = new Uint8Array(shared, headerBytes)
  return {
    put(input) {
      bytes.set(input)
      header[1] = input.length
      Atomics.add(header, 0, 1)
    },
    input: () => Buffer.from(bytes.slice(0, header[1])),
    count: () => Atomics.load(header, 0)
  }
}
