/** One field as it is on the wire: a number for varints, bytes for everything else. */
export interface WireField {
  readonly number: number
  readonly value: bigint | Buffer
}

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

/** The fields of a message in their order. Bytes of a field are a view into the input. */
export function* readFields(bytes: Buffer): Generator<WireField> {
  let at = 0

  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at]
      if (byte === undefined) throw new ProtobufError('a number is cut off')
      at += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new ProtobufError('a number is longer than 64 bits')
  }

  function take(length: number): Buffer {
    if (length > bytes.length - at) throw new ProtobufError('a field is longer than its message')
    at += length
    return bytes.subarray(at - length, at)
  }

  while (at < bytes.length) {
    const key = varint()
    const number = Number(key >> 3n)
    switch (Number(key & 7n)) {
      case 0:
        yield { number, value: varint() }
        break
      case 1:
        yield { number, value: take(8) }
        break
      case 2: {
        const length = varint()
        if (length > BigInt(bytes.length)) throw new ProtobufError('a field is longer than its message')
        yield { number, value: take(Number(length)) }
        break
      }
      case 5:
        yield { number, value: take(4) }
        break
      default:
        throw new ProtobufError(`wire type ${key & 7n} is not known`)
    }
  }
}

export const asBytes = (value: bigint | Buffer): Buffer => {
  if (typeof value === 'bigint') throw new ProtobufError('a number where bytes should be')
  return value
}

/** int32, int64 and bool alike: negative numbers travel as 64 bits of two's complement. */
export const asNumber = (value: bigint | Buffer): number => {
  if (typeof value !== 'bigint') throw new ProtobufError('bytes where a number should be')
  return Number(BigInt.asIntN(64, value))
}
