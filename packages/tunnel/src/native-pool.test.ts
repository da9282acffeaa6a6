import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { answerEverybody, type FramePeer, frameServer } from './testing/frame-peer.ts'
import { SETTING, settings, TYPE, windowUpdate } from './testing/frames.ts'
import { createTestIdentities, TestMesh } from './testing/test-mesh.ts'

const identities = await createTestIdentities()
const log = { warn: () => {}, debug: () => {} }
const createMesh = () => new TestMesh(identities, createDataPath({ log }))
const application = { ip: '10.0.0.1', port: 80 }

/** What all streams of a tunnel may send until the peer allows more; these never do. */
const WINDOW = 65_535

/** Peers that leave room in every stream and none in the tunnel. */
async function narrowPeers(mesh: TestMesh): ReturnType<typeof frameServer> {
  return await frameServer(mesh, peer => {
    answerEverybody(peer)
    peer.send(settings([SETTING.initialWindowSize, 1_000_000]))
  })
}

const received = (peer: FramePeer): number =>
  peer.frames.filter(({ type }) => type === TYPE.data).reduce((sum, { payload }) => sum + payload.length, 0)

const streams = (peer: FramePeer): readonly number[] =>
  peer.frames.filter(({ type }) => type === TYPE.headers).map(({ stream }) => stream)

describe('a saturated tunnel', () => {
  it('is passed over: new streams get another one, which they share while it is quiet', async () => {
    await using mesh = createMesh()
    const { address, peers } = await narrowPeers(mesh)
    const client = await mesh.client(() => address, application)
    const bulk = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    bulk.write(Buffer.alloc(3 * WINDOW))
    await peers[0]?.until(() => received(peers[0]!) === WINDOW)
    for (let count = 2; count <= 3; count++) {
      const quiet = await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
      quiet.write('x')
    }
    await peers[1]?.until(() => received(peers[1]!) === 2)
    expect(peers.map(streams)).toEqual([[1], [1, 3]])
    // With room in it again the first one is used again.
    peers[0]?.send(windowUpdate(0, 1_000_000))
    await peers[0]?.until(() => received(peers[0]!) === 3 * WINDOW)
    await peers[0]?.sync()
    await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 4)
    expect(peers.map(streams)).toEqual([
      [1, 3],
      [1, 3]
    ])
  })

  it('gets company only so often, then streams share the tunnel with the fewest', async () => {
    await using mesh = createMesh()
    const { address, peers } = await narrowPeers(mesh)
    const client = await mesh.client(() => address, application)
    for (let count = 1; count <= 6; count++) {
      const bulk = await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
      bulk.write(Buffer.alloc(3 * WINDOW))
      if (count <= 4) await peers[count - 1]?.until(() => received(peers[count - 1]!) === WINDOW)
    }
    expect(peers.map(peer => streams(peer).length).sort()).toEqual([1, 1, 2, 2])
  })

  it('is used when no other one can be had', async () => {
    await using mesh = createMesh()
    const { address, peers, stopListening } = await narrowPeers(mesh)
    const client = await mesh.client(() => address, application)
    const bulk = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    bulk.write(Buffer.alloc(3 * WINDOW))
    await peers[0]?.until(() => received(peers[0]!) === WINDOW)
    stopListening()
    await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 2)
    expect(client.outcomes).toEqual([])
    expect(peers.map(streams)).toEqual([[1, 3]])
  })
})

describe('the pool', () => {
  it('gives up the tunnel that was used longest ago when it has too many', async () => {
    await using mesh = createMesh()
    const { address, peers } = await frameServer(mesh, answerEverybody)
    const keys = ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.3', '10.0.0.1']
    const remaining = [...keys]
    const client = await mesh.pod({
      connection: () => mesh.tunnel(address, application, { applicationIp: remaining.shift()! }),
      pool: { maxTunnels: 2 }
    })
    for (let count = 1; count <= keys.length; count++) {
      await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
      client.path.cut(client.captured[count - 1]!.id)
      await client.outcome(count - 1)
    }
    const [first, second, third] = peers
    if (second?.ended === false) await once(second.socket, 'close')
    expect(second?.frames.some(({ type }) => type === TYPE.goaway)).toBe(true)
    expect([first?.ended, third?.ended, peers.length]).toEqual([false, false, 3])
  })
})
