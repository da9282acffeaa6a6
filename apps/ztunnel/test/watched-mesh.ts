import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Level, levelOf } from './levels.ts'
import { echo, type Mesh, roundTrip, startMesh } from './mesh.ts'
import { until } from './node.ts'

/** A connection through the tunnels of the mesh that shall notice nothing of what others do. */
export interface Witness {
  /** It still carries what it is given, and so does a new one. */
  readonly isUndisturbed: () => Promise<void>
}

/** To an application that echoes. */
export async function witness(mesh: Mesh, port: number): Promise<Witness> {
  const socket = await mesh.client.connect(mesh.server.ip, port)
  const witness: Witness = {
    isUndisturbed: async () => {
      const sent = randomBytes(10_000)
      socket.write(sent)
      expect((await read(socket, sent.length)).equals(sent)).toBe(true)
      const another = await mesh.client.connect(mesh.server.ip, port)
      expect((await roundTrip(another, sent)).equals(sent)).toBe(true)
    }
  }
  await witness.isUndisturbed()
  return witness
}

async function read(socket: Socket, count: number): Promise<Buffer> {
  let got = Buffer.alloc(0)
  while (got.length < count) got = Buffer.concat([got, (await once(socket, 'data'))[0] as Buffer])
  return got
}

/** A mesh with an application that echoes on 8080, a connection to it that watches, and what the proxy has in use then. */
export async function startWatched(
  env: Record<string, string>
): Promise<{ readonly mesh: Mesh; readonly watching: Witness; readonly before: Level }> {
  const mesh = await startMesh({ env: { POOL_UNUSED_RELEASE_TIMEOUT: '1s', RUST_LOG: 'error', ...env } })
  try {
    await mesh.server.listen(8080, echo)
    const watching = await witness(mesh, 8080)
    let before = await levelOf(mesh.node)
    // The connection that asked is gone, and so is a tunnel that only it needed.
    await until(async () => {
      const last = before
      await setTimeout(200)
      before = await levelOf(mesh.node)
      return last.descriptors === before.descriptors && last.sockets === before.sockets
    })
    return { mesh, watching, before }
  } catch (error) {
    await mesh[Symbol.asyncDispose]()
    throw error
  }
}
