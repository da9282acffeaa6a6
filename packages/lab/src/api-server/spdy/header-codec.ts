import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib'
import { SpdyError } from './frames.ts'
import { headerDictionary } from './header-dictionary.ts'

export type SpdyHeaders = Readonly<Record<string, string>>

/** Headers of a port-forward or an exec are a few short words. */
const maxBlockBytes = 64 * 1024

/** Encodes or decodes header blocks; all blocks of one direction are one compressed stream, so order counts. */
export interface HeaderCodec {
  decode(block: Buffer): Promise<SpdyHeaders>
  encode(headers: SpdyHeaders): Promise<Buffer>
  close(): void
}

export function createHeaderCodec(): HeaderCodec {
  const options = { dictionary: headerDictionary, flush: constants.Z_SYNC_FLUSH }
  const inflate = createInflate(options)
  const deflate = createDeflate(options)
  return {
    decode: async block => readBlock(await through(inflate, block)),
    encode: headers => through(deflate, writeBlock(headers)),
    close() {
      inflate.destroy()
      deflate.destroy()
    }
  }
}

function through(stream: Inflate | Deflate, input: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      stream.off('data', onData)
      stream.off('error', onError)
      settle()
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > maxBlockBytes) stream.destroy(new SpdyError(`headers are longer than ${maxBlockBytes} bytes`))
      else chunks.push(chunk)
    }
    const onError = (error: Error): void => finish(() => reject(error))
    stream.on('data', onData)
    stream.once('error', onError)
    stream.write(input, error => finish(() => (error ? reject(error) : resolve(Buffer.concat(chunks)))))
  })
}

function readBlock(block: Buffer): SpdyHeaders {
  let at = 0
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('a header block is cut off')
    at += 4
    return block.readUInt32BE(at - 4)
  }
  const text = (): string => {
    const length = number()
    if (length > block.length - at) throw new SpdyError('a header is longer than its block')
    at += length
    return block.toString('utf8', at - length, at)
  }
  const headers = new Map<string, string>()
  for (let count = number(); count > 0; count -= 1) {
    const name = text().toLowerCase()
    // Several values are separated by zero bytes.
    headers.set(name, text().split('\0')[0]!)
  }
  return Object.fromEntries(headers)
}

function writeBlock(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers)
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return bytes
  }
  const text = (value: string): Buffer[] => [number(Buffer.byteLength(value)), Buffer.from(value)]
  return Buffer.concat([number(entries.length), ...entries.flatMap(([name, value]) => [...text(name), ...text(value)])])
}
