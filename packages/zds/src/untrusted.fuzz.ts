import assert from 'node:assert/strict'
import { accepted, type FuzzTarget, mutateProtobuf } from '@culvert/testing'
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
import { readRequest } from './read-request.ts'

const requests: readonly ZdsRequest[] = [
  { kind: 'add', uid: 'u-1', info: { name: 'cart-1', namespace: 'shop', serviceAccount: 'cart' } },
  { kind: 'add', uid: 'u-1', info: undefined },
  { kind: 'keep', uid: 'u-1' },
  { kind: 'delete', uid: 'u-1' },
  { kind: 'snapshotSent' }
]

/** What either side may get: each packet is read as every message. */
const packet: FuzzTarget = {
  name: 'zds-packet',
  seeds: [...requests.map(encodeRequest), encodeHello(1), encodeResponse(), encodeResponse('no')].map(bytes =>
    Buffer.from(bytes)
  ),
  words: ['\x1b[2J\n', '__proto__', '\ud7ff'].map(word => Buffer.from(word)),
  mutate: mutateProtobuf,
  maxBytes: maxPacketBytes,
  run(input) {
    const request = accepted(() => decodeRequest(input), 'ZDS_BAD_PACKET')
    if (request !== undefined) assert.deepEqual(decodeRequest(encodeRequest(request)), request)
    const arrived = { bytes: input, fds: [], truncated: false, controlTruncated: false, hadControl: false }
    const received = accepted(() => readRequest(arrived), 'ZDS_BAD_PACKET')
    assert.equal(received !== undefined, request !== undefined && request.kind !== 'add')
    for (const how of ['truncated', 'controlTruncated'] as const) {
      assert.equal(
        accepted(() => readRequest({ ...arrived, [how]: true }), 'ZDS_BAD_PACKET'),
        undefined
      )
    }

    const version = accepted(() => decodeHello(input), 'ZDS_BAD_PACKET')
    if (version !== undefined) assert.equal(decodeHello(encodeHello(version)), version)

    // A nack may be one that says nothing.
    const nack = accepted(() => ({ text: decodeResponse(input) }), 'ZDS_BAD_PACKET')
    if (nack !== undefined) {
      const bytes = encodeResponse(nack.text)
      assert.ok(bytes.length <= maxPacketBytes, `a nack of ${bytes.length} octets`)
      const again = decodeResponse(bytes)
      assert.ok(again === nack.text || nack.text?.startsWith(again ?? '') === true, 'another text')
    }
    return [request, version, nack].some(each => each !== undefined)
  }
}

export const targets: readonly FuzzTarget[] = [packet]
