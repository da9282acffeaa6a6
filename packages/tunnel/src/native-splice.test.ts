import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import type net from 'node:net'
import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { createTestIdentities, direct, readToEnd, TestMesh } from './testing/test-mesh.ts'
import type { TestPod } from './testing/test-pod.ts'

const identities = await createTestIdentities()
const log = { warn: () => {}, debug: () => {} }
const mebibyte = 1_048_576

/** Larger than what sockets buffer, and nowhere like itself. */
const bulk = randomBytes(48 * mebibyte)

/** A mesh with one pod in front of an application that only this test holds. */
async function passthrough() {
  const mesh = new TestMesh(identities, createDataPath({ log }))
  const accepted = Promise.withResolvers<net.Socket>()
  const application = await mesh.application(socket => accepted.resolve(socket))
  const pod = await mesh.pod({ connection: () => direct(application) })
  const client = await mesh.connect(pod.address('outbound'))
  return { mesh, pod, client, server: await accepted.promise, [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose]() }
}

/** Ends of pipes that this process has. */
function pipes(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:')
    } catch {
      return false // closed meanwhile
    }
  }).length
}

/** All that comes; unlike an iteration it leaves the socket be while the other direction still has to write. */
/** Much has been read from the client, and the buffers of the rest cannot take all of it. */
async function underWay(pod: TestPod): Promise<void> {
  await pod.until(() => pod.progressed.fromClient > mebibyte)
}

describe('bulk between two sockets', () => {
  it('arrives whole in both directions at once, in pipes that nobody holds at rest', async () => {
    const before = pipes()
    {
      await using scene = await passthrough()
      const { pod, client, server } = scene
      client.end(bulk)
      server.end(bulk)
      const [there, back] = await Promise.all([readToEnd(server), readToEnd(client)])
      expect([there.equals(bulk), back.equals(bulk)]).toEqual([true, true])
      expect(await pod.outcome()).toMatchObject({ fromClient: bulk.length, toClient: bulk.length })
      expect(pod.outcomes[0]?.failure).toBeUndefined()
      // It did go through pipes; a thread keeps a few.
      expect(pipes()).toBeGreaterThan(before)
    }
    expect(pipes()).toBe(before)
  })

  it('waits for a reader that rests, and then for its end', async () => {
    await using scene = await passthrough()
    const { pod, client, server } = scene
    client.end(bulk)
    await underWay(pod)
    expect(pod.outcomes).toEqual([])
    expect((await readToEnd(server)).equals(bulk)).toBe(true)
    server.end('done')
    expect((await readToEnd(client)).toString()).toBe('done')
    expect(await pod.outcome()).toMatchObject({ fromClient: bulk.length, toClient: 4 })
    expect(pod.outcomes[0]?.failure).toBeUndefined()
  })

  it('is recorded as lost when the reader goes while some is on the way', async () => {
    await using scene = await passthrough()
    const { pod, client, server } = scene
    server.pause()
    client.write(bulk)
    await underWay(pod)
    server.resetAndDestroy()
    const { failure } = await pod.outcome()
    expect(failure).toMatchObject({ code: 'SEND', detail: 'destination disconnected before all data was written' })
  })

  it('ends at once when it is cut, with whatever a pipe holds', async () => {
    const before = pipes()
    {
      await using scene = await passthrough()
      const { pod, client, server } = scene
      server.pause()
      client.write(bulk)
      await underWay(pod)
      const gone = new Promise(resolve => client.once('close', resolve))
      pod.path.cut(pod.captured[0]!.id)
      expect((await pod.outcome()).failure?.code).toBe('CUT')
      await gone
      server.resume()
    }
    expect(pipes()).toBe(before)
  })

  it('follows small writes and precedes them, byte for byte', async () => {
    await using scene = await passthrough()
    const { client, server } = scene
    const parts = [
      Buffer.from('a'),
      bulk.subarray(0, 8 * mebibyte),
      Buffer.from('b'),
      bulk.subarray(0, 5),
      bulk.subarray(5)
    ]
    const all = readToEnd(server)
    for (const part of parts) {
      if (!client.write(part)) await once(client, 'drain')
      await new Promise(resolve => setImmediate(resolve))
    }
    client.end()
    expect((await all).equals(Buffer.concat(parts))).toBe(true)
  })
})
