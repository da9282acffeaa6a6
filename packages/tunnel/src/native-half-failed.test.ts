import { once } from 'node:events'
import type net from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Endpoint } from './data-path.ts'
import { createDataPath } from './index.ts'
import { answerEverybody, connect, type FramePeer, frameClient, frameServer, isEnd } from './testing/frame-peer.ts'
import { CODE, data, TYPE, windowUpdate } from './testing/frames.ts'
import { createTestIdentities, echo, TestMesh } from './testing/test-mesh.ts'
import type { TestPod, TestPodOptions } from './testing/test-pod.ts'

// An application that is gone while its stream's peer still sends (docs/spec/hbone.md 1.6): no more credit for the
// stream before both directions have ended. Where the peer has an application like that too, neither would ever end.

let mesh: TestMesh
beforeAll(async () => {
  mesh = new TestMesh(await createTestIdentities(), createDataPath({ log: { warn: () => {}, debug: () => {} } }))
})
afterAll(() => mesh[Symbol.asyncDispose]())

/** What a peer allows a stream that gets no WINDOW_UPDATE. */
const WINDOW = 65_535
/** More than that, and little enough to be at our end when its sender is gone. */
const SENT = WINDOW + 5000

const received = (peer: FramePeer): number =>
  peer.of(1, TYPE.data).reduce((sum, { payload }) => sum + payload.length, 0)

interface HalfFailed {
  readonly peer: FramePeer
  readonly pod: TestPod
}

/** An application that sent `SENT` bytes and is gone; a peer that took one window of them and answers with data. */
async function halfFail(peer: FramePeer, application: net.Socket): Promise<void> {
  await new Promise<void>(resolve => application.write(Buffer.alloc(SENT), () => resolve()))
  await peer.until(() => received(peer) === WINDOW)
  application.resetAndDestroy()
  await once(application, 'close')
  peer.send(data(1, 'for nobody'))
}

const roles = [
  {
    role: 'client',
    start: async (options: TestPodOptions): Promise<HalfFailed> => {
      const { address, peers } = await frameServer(mesh, answerEverybody)
      const pod = await mesh.client(() => address, { ip: '10.0.0.1', port: 80 }, options)
      const application = await mesh.connect(pod.address('outbound'))
      await pod.until(() => pod.opens.length === 1)
      await halfFail(peers[0]!, application)
      return { peer: peers[0]!, pod }
    }
  },
  {
    role: 'server',
    start: async (options: TestPodOptions): Promise<HalfFailed> => {
      const pod = await mesh.server(options)
      const accepted = Promise.withResolvers<net.Socket>()
      const peer = await open(pod, await mesh.application(accepted.resolve))
      await halfFail(peer, await accepted.promise)
      return { peer, pod }
    }
  }
]

async function open(pod: TestPod, application: Endpoint): Promise<FramePeer> {
  const peer = await frameClient(mesh, pod.address('inbound-hbone'))
  peer.greet()
  peer.send(connect(1, application))
  await peer.status(1)
  return peer
}

describe.each(roles)('a $role whose application is gone', ({ start }) => {
  it('resets the stream when the other direction passes nothing on for long', async () => {
    const { peer, pod } = await start({ halfFailedTimeout: 50 })
    expect(await peer.reset(1)).toBe(CODE.cancel)
    expect(received(peer)).toBe(WINDOW)
    const { failure } = await pod.outcome()
    expect([failure?.code, failure?.detail]).toEqual(['SEND', 'destination disconnected before all data was written'])
    await peer.sync()
  })

  it('still sends what the application had said, while the peer takes it', async () => {
    const { peer, pod } = await start({ halfFailedTimeout: 0 })
    await peer.sync()
    expect(received(peer)).toBe(WINDOW)
    expect(pod.outcomes).toEqual([])
    peer.send(windowUpdate(1, SENT), windowUpdate(0, SENT))
    await peer.until(() => peer.of(1, TYPE.data).some(isEnd))
    expect(received(peer)).toBe(SENT)
    expect((await pod.outcome()).failure?.detail).toMatch(/ disconnected before all data was written$/)
  })
})

it('gives the tunnel back the room of what is for nobody, and the stream none', async () => {
  const window = 65_535
  const pod = await mesh.server({
    halfFailedTimeout: 0,
    http2: { streamWindow: window, connectionWindow: window, maxFrameSize: 16_384 }
  })
  const accepted = Promise.withResolvers<net.Socket>()
  const peer = await open(pod, await mesh.application(accepted.resolve))
  await halfFail(peer, await accepted.promise)
  let left = window - 'for nobody'.length
  for (; left > 0; left -= Math.min(left, 16_384)) peer.send(data(1, Buffer.alloc(Math.min(left, 16_384))))
  peer.send(connect(3, await mesh.application(echo)))
  expect(await peer.status(3)).toBe(200)
  peer.send(windowUpdate(0, 1000), data(3, 'room for this'))
  await peer.until(() => peer.text(3) === 'room for this')
  expect(peer.of(1, TYPE.windowUpdate)).toEqual([])
})
