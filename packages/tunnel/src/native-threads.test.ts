import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { createTestIdentities, direct, echo, readAll, TestMesh } from './testing/test-mesh.ts'

const identities = await createTestIdentities()
const log = { warn: () => {}, debug: () => {} }
const onFour = () => createDataPath({ log, threads: 4 })

describe('data threads', () => {
  it('carry one pod’s plain connections in equal numbers', async () => {
    const dataPath = onFour()
    await using mesh = new TestMesh(identities, dataPath)
    const application = await mesh.application(echo)
    const pod = await mesh.pod({ connection: () => direct(application) })
    for (let count = 1; count <= 8; count++) {
      await mesh.connect(pod.address('inbound-plaintext'))
      await pod.until(() => pod.opens.length === count)
    }
    expect(dataPath.loads()).toEqual([2, 2, 2, 2])
  })

  it('carry the connections of one key on one of them, in one tunnel', async () => {
    const dataPath = onFour()
    await using mesh = new TestMesh(identities, dataPath, createDataPath({ log }))
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const sockets = await Promise.all(Array.from({ length: 8 }, () => mesh.connect(client.address('outbound'))))
    await client.until(() => client.opens.length === 8)
    expect(server.tunnelsAccepted).toBe(1)
    expect([...dataPath.loads()].sort()).toEqual([0, 0, 0, 8])
    for (const socket of sockets) socket.end('x')
    expect((await Promise.all(sockets.map(readAll))).map(String)).toEqual(Array(8).fill('x'))
    // Told first, then forgotten.
    await client.outcome(7)
    await expect.poll(() => dataPath.loads()).toEqual([0, 0, 0, 0])
  })

  it('carry different keys, and end tunnels, on several', async () => {
    const dataPath = onFour()
    const other = onFour()
    await using mesh = new TestMesh(identities, dataPath, other)
    const application = await mesh.application(echo)
    const server = await mesh.server()
    let key = 0
    const client = await mesh.pod({
      connection: () => mesh.tunnel(server.address('inbound-hbone'), application, { applicationIp: `10.0.0.${key++}` })
    })
    for (let count = 1; count <= 64; count++) {
      await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
    }
    // Where a key lives is its hash's choice: 64 of them miss a thread once in twenty million times.
    expect(dataPath.loads().filter(load => load > 0)).toHaveLength(4)
    expect(dataPath.loads().reduce((sum, load) => sum + load)).toBe(64)
    // A tunnel and its stream each.
    expect(other.loads()).toEqual([32, 32, 32, 32])
  })

  it('cut connections wherever they live', async () => {
    await using mesh = new TestMesh(identities, onFour())
    const application = await mesh.application(echo)
    const pod = await mesh.pod({ connection: () => direct(application) })
    const sockets = []
    for (let count = 1; count <= 4; count++) {
      sockets.push(await mesh.connect(pod.address('inbound-plaintext')))
      await pod.until(() => pod.opens.length === count)
    }
    for (const { id } of pod.captured) pod.path.cut(id)
    await Promise.all(sockets.map(readAll))
    await pod.outcome(3)
    expect(pod.outcomes.map(({ failure }) => failure?.code)).toEqual(['CUT', 'CUT', 'CUT', 'CUT'])
  })

  it('count what a drain let finish and what it cut, together', async () => {
    await using mesh = new TestMesh(identities, onFour())
    const application = await mesh.application(echo)
    const pod = await mesh.pod({ connection: () => direct(application) })
    const sockets = []
    for (let count = 1; count <= 8; count++) {
      sockets.push(await mesh.connect(pod.address('inbound-plaintext')))
      await pod.until(() => pod.opens.length === count)
    }
    const deadline = new AbortController()
    const drained = pod.path.drain({ deadline: deadline.signal })
    for (const socket of sockets.slice(0, 3)) socket.end()
    await pod.outcome(2)
    deadline.abort()
    expect(await drained).toEqual({ finished: 3, cut: 5 })
    expect(pod.outcomes).toHaveLength(8)
  })
})
