import { describe, expect, it } from 'vitest'
import { createMessageFrames, frameHead } from './message-frames.ts'

const framed = (bytes: Buffer): Buffer => Buffer.concat([frameHead(bytes.length), bytes])
const texts = ['', 'one', 'x'.repeat(300), '', 'last']
const stream = Buffer.concat(texts.map(text => framed(Buffer.from(text))))

describe('messages of a gRPC stream', () => {
  it.each([1, 2, 4, 5, 6, 7, 100, 10_000])('are the same in pieces of %i octets', size => {
    const frames = createMessageFrames({ maxBytes: 300 })
    const read: string[] = []
    for (let at = 0; at < stream.length; at += size) {
      for (const message of frames.push(stream.subarray(at, at + size))) read.push(message.toString())
    }
    expect(read).toEqual(texts)
  })

  it('keep nothing of the pieces they came in', () => {
    const piece = framed(Buffer.from('one'))
    const [message] = createMessageFrames({ maxBytes: 10 }).push(piece)
    piece.fill(0)
    expect(message?.toString()).toBe('one')
  })

  it.each([
    { title: 'too long', head: '000000000b', error: 'a message of 11 bytes, where at most 10 are taken' },
    { title: 'compressed', head: '0100000001', error: 'a message is compressed' }
  ])('that are $title are refused by their head', ({ head, error }) => {
    expect(() => createMessageFrames({ maxBytes: 10 }).push(Buffer.from(head, 'hex'))).toThrow(error)
  })
})
