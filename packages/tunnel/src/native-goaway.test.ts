import { afterAll, beforeAll, expect, it } from 'vitest'
import type net from 'node:net'
import { createDataPath } from './index.ts'
import { answerEverybody, type FramePeer, frameServer } from './testing/frame-peer.ts'
import { CODE, goaway, headers, rstStream, SETTING, settings, settingsAck, TYPE } from './testing/frames.ts'
import { createTestIdentities, TestMesh } from './testing/test-mesh.ts'
import type { TestPod } from './testing/test-pod.ts'

// What a GOAWAY left out was never begun and is asked for again (RFC 9113 8.7): once, through another tunnel.

let mesh: TestMesh
beforeAll(async () => {
  mesh = new TestMesh(await createTestIdentities(), createDataPath({ log: { warn: () => {}, debug: () => {} } }))
})
afterAll(() => mesh[Symbol.asyncDispose]())

interface Asked {
  readonly pod: TestPod
  readonly application: net.Socket
  readonly peers: readonly FramePeer[]
  readonly connect: () => Promise<net.Socket>
}

/** Peers that do as the script of their number says; an application that has sent 'hello' through the first. */
async function ask(...scripts: readonly ((peer: FramePeer) => void)[]): Promise<Asked> {
  let came = 0
  const { address, peers } = await frameServer(mesh, peer => (scripts[came++] ?? answerEverybody)(peer))
  const pod = await mesh.client(() => address, { ip: '10.0.0.1', port: 80 })
  const connect = (): Promise<net.Socket> => mesh.connect(pod.address('outbound'))
  const application = await connect()
  application.write('hello')
  return { pod, application, peers, connect }
}

/** Greets, and says this when the first request has come. */
const answerFirst =
  (...frames: readonly Buffer[]) =>
  async (peer: FramePeer): Promise<void> => {
    peer.send(settings(), settingsAck)
    await peer.next(1, TYPE.headers)
    peer.send(...frames)
  }

const requests = (peer: FramePeer | undefined): readonly number[] =>
  peer?.frames.filter(({ type }) => type === TYPE.headers).map(({ stream }) => stream) ?? []

it.each([
  { what: 'a GOAWAY below it', frames: [goaway(0, CODE.noError)] },
  { what: 'a GOAWAY with an error below it', frames: [goaway(0, CODE.enhanceYourCalm)] }
])('asks another tunnel for a stream that was left out by $what', async ({ frames }) => {
  const { pod, application, peers } = await ask(answerFirst(...frames))
  await pod.until(() => pod.opens.length === 1)
  application.end(' again')
  await peers[1]?.until(() => peers[1]!.text(1) === 'hello again')
  expect(peers.map(requests)).toEqual([[1], [1]])
  expect(requests(peers[0])).toEqual([1])
  expect(peers[0]?.text(1)).toBe('')
  expect(pod.outcomes).toEqual([])
})

it('does so once', async () => {
  const refuse = answerFirst(goaway(0, CODE.noError))
  const { pod, peers } = await ask(refuse, refuse)
  expect((await pod.outcome()).failure).toMatchObject({ code: 'HTTP2', detail: 'stream reset: REFUSED_STREAM' })
  expect(peers.map(requests)).toEqual([[1], [1]])
})

it.each([
  { what: 'was refused', frames: [rstStream(1, CODE.refusedStream)], code: 'HTTP2' },
  { what: 'was reset', frames: [rstStream(1, CODE.cancel)], code: 'HTTP2' },
  { what: 'was answered', frames: [headers(1, Buffer.of(0x8d), 1)], code: 'STATUS' },
  { what: 'was opened', frames: [headers(1, Buffer.of(0x88)), rstStream(1, CODE.refusedStream)], code: 'SEND' }
])('does not ask again for a stream that $what', async ({ frames, code }) => {
  const { pod, application, peers } = await ask(answerFirst(...frames))
  application.end()
  expect((await pod.outcome()).failure).toMatchObject({ code })
  expect(peers.map(requests)).toEqual([[1]])
})

it('asks another tunnel for what waited for MAX_CONCURRENT_STREAMS when a GOAWAY came', async () => {
  const { pod, application, peers, connect } = await ask(peer => {
    answerEverybody(peer)
    peer.send(settings([SETTING.maxConcurrentStreams, 1]))
  })
  await pod.until(() => pod.opens.length === 1)
  await peers[0]!.sync()
  const second = await connect()
  second.write('second')
  await pod.until(() => pod.captured.length === 2)
  await peers[0]!.sync()
  expect(requests(peers[0])).toEqual([1])
  peers[0]!.send(goaway(1, CODE.noError))
  await pod.until(() => pod.opens.length === 2)
  await peers[1]!.until(() => peers[1]!.text(1) === 'second')
  application.write(' and on')
  await peers[0]!.until(() => peers[0]!.text(1) === 'hello and on')
  expect(pod.outcomes).toEqual([])
})
