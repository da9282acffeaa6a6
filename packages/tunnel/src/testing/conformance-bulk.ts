import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { echo, readAll, type TestMesh } from './test-mesh.ts'

const GIBIBYTE = 1_073_741_824

/** What takes seconds: for integration runs. */
export function bulkConformance(createMesh: () => TestMesh): void {
  it('carries 1 GiB through one connection unchanged', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(socket => {
      const hash = createHash('sha256')
      socket.on('data', chunk => hash.update(chunk))
      socket.on('end', () => socket.end(hash.digest('hex')))
    })
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    const hash = createHash('sha256')
    // Of a size that falls on no boundary of records, frames or windows, and different each time.
    const chunk = Buffer.alloc(1_000_003, 'The quick brown fox jumps over the lazy dog')
    for (let sent = 0; sent < GIBIBYTE; sent += chunk.length) {
      chunk.writeUInt32BE(sent)
      hash.update(chunk)
      if (!socket.write(Buffer.from(chunk))) await once(socket, 'drain')
    }
    socket.end()
    expect((await readAll(socket)).toString()).toBe(hash.digest('hex'))
    const outcome = await client.outcome()
    expect(outcome.failure).toBeUndefined()
    expect(outcome.fromClient).toBeGreaterThanOrEqual(GIBIBYTE)
    expect((await server.outcome()).fromClient).toBe(outcome.fromClient)
  }, 180_000)

  it('carries 1,000 connections at once', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const texts = Array.from({ length: 1000 }, (_, index) => `connection ${index}`)
    const sockets: Socket[] = []
    // In groups that fit into the listener's backlog, or the kernel would make some wait for seconds.
    for (let index = 0; index < texts.length; index += 100) {
      const group = texts.slice(index, index + 100).map(() => mesh.connect(client.address('outbound')))
      sockets.push(...(await Promise.all(group)))
    }
    await client.until(() => client.opens.length === texts.length)
    const answers = texts.map((text, index) => {
      const socket = sockets[index]!
      socket.end(text)
      return readAll(socket)
    })
    expect((await Promise.all(answers)).map(String)).toEqual(texts)
    expect(server.tunnelsAccepted).toBe(10)
    await server.until(() => server.outcomes.length === texts.length)
    expect(server.outcomes.filter(({ failure }) => failure !== undefined)).toEqual([])
  }, 60_000)
}
