/** Protobuf's wire format, as much of it as is written here by hand. */

const lengthDelimited = 2

export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}

function delimited(field: number, content: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + lengthDelimited), varint(content.length), content])
}

export const string = (field: number, text: string): Buffer => delimited(field, Buffer.from(text))

export const bool = (field: number, value: boolean): Buffer => Buffer.concat([varint(field * 8), varint(value ? 1 : 0)])

export const message = (field: number, parts: readonly Buffer[]): Buffer => delimited(field, Buffer.concat(parts))
