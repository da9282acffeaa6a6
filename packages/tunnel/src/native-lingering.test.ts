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

/** Of peers that answer, end their side at once and read no more: the stream is over when the client's side is. */
async function lateReaders(mesh: TestMesh): ReturnType<typeof frameServer> {
  return await frameServer(mesh, peer => {
    peer.send(settings([SETTING.initialWindowSize, 16_000_000]), settingsAck, windowUpdate(0, 16_000_000))
    const waiting = (): void => {
      if (peer.of(1, TYPE.headers).length === 0) return
      peer.socket.off('data', waiting)
      peer.send(headers(1, Buffer.of(0x88)), data(1, '', FLAG.endStream))
      peer.socket.pause()
    }
    peer.socket.on('data', waiting)
  })
}

const received = (peer: FramePeer): number =>
  peer.of(1, TYPE.data).reduce((sum, { payload }) => sum + payload.length, 0)

/** What a closed socket would answer with a reset. */
function readOn(peer: FramePeer): void {
  peer.socket.resume()
  peer.send(ping(0, 'anything'))
}

it('a tunnel whose last stream has ended gets its bytes to a peer that reads late', async () => {
  await using mesh = new TestMesh(identities, createDataPath({ log }))
  const { address, peers } = await lateReaders(mesh)
  const client = await mesh.client(() => address, address, { pool: { maxStreamsPerTunnel: 1 } })
  for (const [i, size] of sizes.entries()) {
    const application = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === i + 1)
    application.end(Buffer.alloc(size))
  }
  await client.outcome(0)
  // Longer than the engine waits for a peer that only has to close.
  await setTimeout(1500)
  for (const peer of peers) readOn(peer)
  await Promise.all(peers.map(peer => peer.until(() => peer.of(1, TYPE.data).some(isEnd)).catch(() => undefined)))
  expect(peers.map(received).sort((a, b) => a - b)).toEqual(sizes)
})

it('a pod that drains has ended when its tunnels have sent all', async () => {
  const dataPath = createDataPath({ log })
  await using mesh = new TestMesh(identities, dataPath)
  const { address, peers } = await lateReaders(mesh)
  const client = await mesh.client(() => address, address)
  const application = await mesh.connect(client.address('outbound'))
  await client.until(() => client.opens.length === 1)
  application.end(Buffer.alloc(384 * 1024))
  await client.outcome(0)
  const drained = client.path.drain({ deadline: new AbortController().signal })
  expect(await Promise.race([drained, setTimeout(300, 'not yet')])).toBe('not yet')
  readOn(peers[0]!)
  await drained
  await dataPath.close()
  await peers[0]!.until(() => received(peers[0]!) === 384 * 1024)
})
