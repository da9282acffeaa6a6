import { ipBytes, ipFromBytes } from '../../model/ip.ts'

/** The parts of records: numbers are LEB128, texts (UTF-8) and addresses come after their length. */
export interface RecordWriter {
  readonly begin: () => void
  readonly number: (value: number) => void
  readonly text: (text: string) => void
  readonly address: (ip: string) => void
  /** All since `begin`; good until the next one. */
  readonly written: () => Buffer
}

export interface RecordReader {
  readonly number: () => number
  readonly text: () => string
  readonly address: () => string
  /** Over a text or an address. */
  readonly skip: () => void
  readonly atEnd: () => boolean
}

/** Writes into one buffer, over and over: a record costs no garbage but its copy. */
export function createRecordWriter(): RecordWriter {
  let scratch = Buffer.allocUnsafeSlow(4096)
  let at = 0

  function room(bytes: number): void {
    if (at + bytes <= scratch.length) return
    const bigger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, at + bytes))
    scratch.copy(bigger, 0, 0, at)
    scratch = bigger
  }

  function number(value: number): void {
    room(5)
    while (value > 0x7f) {
      scratch[at++] = (value & 0x7f) | 0x80
      value >>>= 7
    }
    scratch[at++] = value
  }

  return {
    begin() {
      at = 0
    },
    number,
    text(text) {
      const length = Buffer.byteLength(text)
      number(length)
      room(length)
      at += scratch.write(text, at)
    },
    address(ip) {
      const bytes = ipBytes(ip)
      number(bytes.length)
      room(16)
      scratch.set(bytes, at)
      at += bytes.length
    },
    written: () => scratch.subarray(0, at)
  }
}

/** Takes the parts of a record in the order in which they were written. */
export function createRecordReader(record: Buffer): RecordReader {
  let at = 0
  function number(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = record[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }
  return {
    number,
    text() {
      const length = number()
      if (length === 0) return ''
      const start = at
      at += length
      return record.toString('utf8', start, at)
    },
    address() {
      const length = number()
      const start = at
      at += length
      return ipFromBytes(record.subarray(start, at))!
    },
    skip() {
      const length = number()
      at += length
    },
    atEnd: () => at >= record.length
  }
}
