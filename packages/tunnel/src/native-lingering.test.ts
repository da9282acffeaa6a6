import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { type FramePeer, frameServer, isEnd } from './testing/frame-peer.ts'
import { data, FLAG, headers, ping, SETTING, settings, settingsAck, TYPE, windowUpdate } from './testing/frames.ts'
import { createTestIdentities, TestMesh } from './testing/test-mesh.ts'

const identities = await createTestIdentities()
const log = { warn: () => {}, debug: () => {} }

/** Around what the kernel holds of a connection that is not read: some end in its buffers, some in the engine's. */
const sizes = Array.from({ length: 14 }, (_, i) => (i + 1) * 384 * 1024)

it('a tunnel whose last stream has ended gets its bytes to a peer that reads late', async () => {
  await using mesh = new TestMesh(identities, createDataPath({ log }))
  const { address, peers } = await frameServer(mesh, peer => {
    peer.send(settings([SETTING.initialWindowSize, 16_000_000]), settingsAck, windowUpdate(0, 16_000_000))
    const waiting = (): void => {
      if (peer.of(1, TYPE.headers).length === 0) return
      peer.socket.off('data', waiting)
      // Its own side is over at once, so the stream is when the client's is, and the tunnel with it.
      peer.send(headers(1, Buffer.of(0x88)), data(1, '', FLAG.endStream))
      peer.socket.pause()
    }
    peer.socket.on('data', waiting)
  })
  const client = await mesh.client(() => address, address, { pool: { maxStreamsPerTunnel: 1 } })
  for (const [i, size] of sizes.entries()) {
    const application = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === i + 1)
    application.end(Buffer.alloc(size))
  }
  await client.outcome(0)
  // Longer than the engine waits for a peer that only has to close.
  await setTimeout(1500)
  const received = (peer: FramePeer): number =>
    peer.of(1, TYPE.data).reduce((sum, { payload }) => sum + payload.length, 0)
  for (const peer of peers) {
    peer.socket.resume()
    peer.send(ping(0, 'anything'))
  }
  await Promise.all(peers.map(peer => peer.until(() => peer.of(1, TYPE.data).some(isEnd)).catch(() => undefined)))
  expect(peers.map(received).sort((a, b) => a - b)).toEqual(sizes)
})
