import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { FrameFixture } from './testing/frame-fixture.ts'
import { codeName, frameClient } from './testing/frame-peer.ts'
import { fields, headers, integer, SETTING, text } from './testing/frames.ts'

// Header compression over the wire (RFC 7541); what was decoded is what the handler hears.

const fixture = new FrameFixture(() => createDataPath({ log: { warn: () => {}, debug: () => {} } }))

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const CONNECT = fields([':method', 'CONNECT'], [':authority', 'a:1'])
const value = (bytes: Buffer): Buffer => Buffer.concat([CONNECT, Buffer.of(0), text('name'), bytes])
const huffman = (digits: string): Buffer => Buffer.concat([integer(0x80, 7, hex(digits).length), hex(digits)])

/** What the handler hears of these blocks, sent one after another on one connection. */
async function decoded(...blocks: readonly Buffer[]): Promise<readonly unknown[]> {
  const pod = await fixture.server({ stream: () => ({ kind: 'answer', status: 400 }) })
  const peer = await frameClient(fixture.mesh, pod.address('inbound-hbone'))
  peer.greet()
  for (const [index, block] of blocks.entries()) {
    peer.send(headers(index * 2 + 1, block))
    await peer.status(index * 2 + 1)
  }
  return pod.streams.map(({ method, authority, headers }) => [
    method,
    authority,
    ...headers.map(line => line.join('='))
  ])
}

describe('RFC 7541 appendix C', () => {
  it.each([
    {
      example: 'C.3, without Huffman',
      blocks: [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'
      ]
    },
    {
      example: 'C.4, with Huffman',
      blocks: [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'
      ]
    }
  ])('$example', async ({ blocks }) => {
    expect(await decoded(...blocks.map(hex))).toEqual([
      ['GET', 'www.example.com'],
      ['GET', 'www.example.com', 'cache-control=no-cache'],
      ['GET', 'www.example.com', 'custom-key=custom-value']
    ])
  })

  it('C.2: with indexing, without, and never', async () => {
    const blocks = [
      `${CONNECT.toString('hex')} 400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572`,
      `8286 040c 2f73 616d 706c 652f 7061 7468 be`,
      `${CONNECT.toString('hex')} 1008 7061 7373 776f 7264 0673 6563 7265 74`
    ]
    expect(await decoded(...blocks.map(hex))).toEqual([
      ['CONNECT', 'a:1', 'custom-key=custom-header'],
      ['GET', undefined, 'custom-key=custom-header'],
      ['CONNECT', 'a:1', 'password=secret']
    ])
  })
})

describe('the dynamic table', () => {
  const indexed = (name: string, entry: string): Buffer => Buffer.concat([Buffer.of(0x40), text(name), text(entry)])
  const size = (octets: number): Buffer => integer(0x20, 5, octets)

  it('forgets the oldest entry when there is no room', async () => {
    // Room for two of them.
    const block = Buffer.concat([
      size(2 * (1 + 100 + 32)),
      CONNECT,
      ...['a', 'b', 'c'].map(name => indexed(name, name.repeat(100)))
    ])
    const again = Buffer.concat([CONNECT, Buffer.of(0xbe, 0xbf)])
    const [, second] = await decoded(block, again)
    expect(second).toEqual(['CONNECT', 'a:1', `c=${'c'.repeat(100)}`, `b=${'b'.repeat(100)}`])
    await breaks(block, Buffer.concat([CONNECT, Buffer.of(0xc0)]))
  })

  it('is empty after an entry that is larger, and after a size of 0', async () => {
    const large = Buffer.concat([CONNECT, indexed('a', 'b'), indexed('c', 'd'.repeat(5000))])
    expect(await decoded(large)).toEqual([['CONNECT', 'a:1', 'a=b', `c=${'d'.repeat(5000)}`]])
    await breaks(large, Buffer.concat([CONNECT, Buffer.of(0xbe)]))
    const emptied = Buffer.concat([size(0), size(4096), CONNECT, Buffer.of(0xbe)])
    await breaks(Buffer.concat([CONNECT, indexed('a', 'b')]), emptied)
  })

  it('takes a name from an entry that must go for the new one', async () => {
    const name = 'n'.repeat(3000)
    const first = Buffer.concat([CONNECT, indexed(name, 'old')])
    const second = Buffer.concat([CONNECT, Buffer.of(0x7e), text('v'.repeat(1000)), Buffer.of(0xbe)])
    const line = `${name}=${'v'.repeat(1000)}`
    expect((await decoded(first, second))[1]).toEqual(['CONNECT', 'a:1', line, line])
  })

  it('is in step after blocks whose requests came to nothing', async () => {
    const pod = await fixture.server({ stream: () => ({ kind: 'answer', status: 400 }) })
    const peer = await frameClient(fixture.mesh, pod.address('inbound-hbone'))
    peer.greet()
    const malformed = Buffer.concat([CONNECT, indexed('Upper', 'x'), indexed('kept', 'value')])
    const tooLarge = Buffer.concat([
      CONNECT,
      ...Array.from({ length: 70 }, () => Buffer.concat([Buffer.of(0), text('a'), text('b'.repeat(1000))])),
      indexed('kept-too', 'value')
    ])
    peer.send(headers(1, malformed))
    await peer.reset(1)
    peer.send(headers(3, tooLarge))
    expect(await peer.status(3)).toBe(431)
    peer.send(headers(5, Buffer.concat([CONNECT, Buffer.of(0xbe, 0xbf)])))
    expect(await peer.status(5)).toBe(400)
    expect(pod.streams[0]?.headers).toEqual([
      ['kept-too', 'value'],
      ['kept', 'value']
    ])
  })

  it('of ours is given up before a peer could shrink it', async () => {
    const peer = await fixture.peer(fixture.application, fixture.pod, [SETTING.headerTableSize, 0])
    expect(peer.of(1)[0]?.payload[0]).toBe(0x20)
    expect(await peer.status(1)).toBe(200)
  })
})

describe('a block that cannot be decoded ends the connection', () => {
  it.each<[what: string, block: Buffer]>([
    ['index 0', Buffer.concat([CONNECT, Buffer.of(0x80)])],
    ['an index of nothing', Buffer.concat([CONNECT, Buffer.of(0xbe)])],
    ['a name index of nothing', Buffer.concat([CONNECT, Buffer.of(0x7e), text('x')])],
    ['an integer that goes on for ever', Buffer.concat([CONNECT, Buffer.of(0xff), Buffer.alloc(10, 0xff)])],
    ['an integer above 2^32', Buffer.concat([CONNECT, hex('ff ff ff ff ff 7f')])],
    ['an integer that breaks off', Buffer.concat([CONNECT, Buffer.of(0xff, 0xff)])],
    ['a text that breaks off', Buffer.concat([CONNECT, Buffer.of(0, 5), Buffer.from('ab')])],
    ['a text longer than anything', Buffer.concat([CONNECT, Buffer.of(0), integer(0, 7, 2 ** 27)])],
    ['a field without a value', Buffer.concat([CONNECT, Buffer.of(0), text('a')])],
    ['Huffman padding of 8 bits', value(huffman('1f ff'))],
    ['Huffman padding of zeros', value(huffman('18'))],
    ['the Huffman code of EOS', value(huffman('ff ff ff ff'))],
    ['Huffman coding of nothing but padding', value(huffman('ff'))],
    ['a table above the setting', Buffer.concat([integer(0x20, 5, 4097), CONNECT])],
    ['a table size behind a field', Buffer.concat([CONNECT, Buffer.of(0x20)])]
  ])('%s', async (_, block) => {
    await breaks(block)
  })
})

it('reads the shortest and the longest Huffman codes', async () => {
  // 'a' is 00011; octet 10 is 30 ones but the last two, 0x3ffffffc, which no value may hold: the request is malformed.
  expect(await decoded(value(huffman('1f')))).toEqual([['CONNECT', 'a:1', 'name=a']])
  const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'))
  peer.greet()
  peer.send(headers(1, value(huffman('ff ff ff f3'))))
  expect(codeName(await peer.reset(1))).toBe('protocolError')
})

async function breaks(...blocks: readonly Buffer[]): Promise<void> {
  const peer = await frameClient(fixture.mesh, fixture.pod.address('inbound-hbone'))
  peer.greet()
  for (const [index, block] of blocks.entries()) peer.send(headers(index * 2 + 1, block))
  expect(codeName(await peer.brokenBy())).toBe('compressionError')
}
