import { describe, expect, it } from 'vitest'
import { hex } from '../test/bench.ts'
import {
  decodeHello,
  decodeRequest,
  decodeResponse,
  encodeHello,
  encodeRequest,
  encodeResponse,
  maxPacketBytes,
  type ZdsRequest
} from './messages.ts'

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// docs/spec/zds.md 6 A
const requests: { request: ZdsRequest; bytes: string }[] = [
  {
    request: { kind: 'add', uid: 'u-17', info: { name: 'cart-5d9f', namespace: 'shop', serviceAccount: 'cart-sa' } },
    bytes: '0a 22 0a 04 75 2d 31 37 12 1a 0a 09 63 61 72 74 2d 35 64 39 66 12 04 73 68 6f 70 1a 07 63 61 72 74 2d 73 61'
  },
  { request: { kind: 'keep', uid: 'u-40' }, bytes: '2a 06 0a 04 75 2d 34 30' },
  { request: { kind: 'snapshotSent' }, bytes: '1a 00' },
  { request: { kind: 'delete', uid: 'u-17' }, bytes: '12 06 12 04 75 2d 31 37' },
  { request: { kind: 'add', uid: 'x', info: undefined }, bytes: '0a 03 0a 01 78' },
  {
    request: { kind: 'add', uid: 'x', info: { name: '', namespace: '', serviceAccount: '' } },
    bytes: '0a 05 0a 01 78 12 00'
  }
]

describe('requests', () => {
  it.each(requests)('$request.kind is $bytes', ({ request, bytes }) => {
    expect(toHex(encodeRequest(request))).toBe(toHex(hex(bytes)))
    expect(decodeRequest(hex(bytes))).toEqual(request)
  })

  it.each([
    { what: 'an unknown payload', bytes: '32 00' },
    { what: 'unknown fields only', bytes: '78 01' },
    { what: 'a cut message', bytes: '0a 22 0a 04 75' },
    { what: 'an overlong varint', bytes: '0a ff ff ff ff ff ff ff ff ff ff ff 01' },
    { what: 'text that is not UTF-8', bytes: '2a 04 0a 02 c3 28' }
  ])('refuses $what', ({ bytes }) => {
    expect(() => decodeRequest(hex(bytes))).toThrow(expect.objectContaining({ code: 'ZDS_BAD_PACKET' }))
  })

  it('skips unknown fields beside a payload', () => {
    expect(decodeRequest(hex('2a 06 0a 04 75 2d 34 30 78 01'))).toEqual({ kind: 'keep', uid: 'u-40' })
  })
})

it('says hello as version 1, and reads any version', () => {
  expect(toHex(encodeHello(1))).toBe('0801')
  expect(decodeHello(hex('08 07'))).toBe(7)
})

describe('responses', () => {
  it('ack and nack', () => {
    expect(toHex(encodeResponse())).toBe('0a00')
    expect(decodeResponse(hex('0a 00'))).toBeUndefined()
    expect(decodeResponse(encodeResponse('no'))).toBe('no')
  })

  it('matches the nack of docs/spec/zds.md 6 A', () => {
    const text = 'failure to process message : ProtocolError("pod snapshot received already")'
    expect(toHex(encodeResponse(text))).toBe(`0a4d0a4b${Buffer.from(text).toString('hex')}`)
  })

  it.each(['x', 'é', '€', '🙂'])('cuts a long text of %s to what the peer receives, between characters', character => {
    const bytes = encodeResponse(character.repeat(2000))
    expect(bytes.length).toBeLessThanOrEqual(maxPacketBytes)
    expect(bytes.length).toBeGreaterThan(maxPacketBytes - 8)
    expect(decodeResponse(bytes)).toMatch(new RegExp(`^(${character})+$`, 'u'))
  })

  it('refuses a response without ack', () => {
    expect(() => decodeResponse(hex('12 00'))).toThrow(expect.objectContaining({ code: 'ZDS_BAD_PACKET' }))
  })
})
