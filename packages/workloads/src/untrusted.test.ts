import { Random, tryOut } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { targets as ofFiles } from './local-config/local-file.fuzz.ts'
import { decodeDeltaRequest } from './messages/discovery-codec.ts'
import { targets as ofMessages } from './messages.fuzz.ts'

describe.each([...ofMessages, ...ofFiles])('$name', target => {
  it.each([1, 2])('takes or refuses what becomes of its seeds, from random numbers %i', async seed => {
    const { taken, refused } = await tryOut(target, { random: new Random(seed), inputs: 150 })
    expect(taken).toBeGreaterThan(0)
    expect(refused).toBeGreaterThan(0)
  })
})

it.each([
  { depth: 10, wanted: /^$/ },
  { depth: 1_000, wanted: /max depth exceeded$/ }
])('metadata of $depth lists in lists is decoded or refused', ({ depth, wanted }) => {
  const wrap = (key: number, inner: Buffer): Buffer => Buffer.concat([Buffer.of(key), varint(inner.length), inner])
  let value: Buffer = Buffer.alloc(0)
  for (let i = 0; i < depth; i++) value = wrap(0x32, wrap(0x0a, value))
  // Node, its metadata, one entry of the fields, with the key "k".
  const entry = Buffer.concat([Buffer.from('0a016b', 'hex'), wrap(0x12, value)])
  const bytes = wrap(0x0a, wrap(0x1a, wrap(0x0a, entry)))
  let refusal = ''
  try {
    decodeDeltaRequest(bytes)
  } catch (error) {
    expect(error).toMatchObject({ code: 'WORKLOADS_UNDECODABLE' })
    refusal = (error as Error).message
  }
  expect(refusal).toMatch(wanted)
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.of(...bytes, rest)
}
