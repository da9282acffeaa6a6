import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import path from 'node:path'

/** A body over the limit: what remains of it was not read. */
export class BodyTooLong extends Error {}

/**
 * Binds an HTTP server to a socket file that everybody may connect to, over an old file (docs/spec/cni.md 1). What fails
 * later goes to `onError`.
 */
export async function listenOnUnixSocket(
  server: Server,
  socketPath: string,
  onError: (error: Error) => void
): Promise<{ close: () => Promise<void> }> {
  rmSync(socketPath, { force: true })
  mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o750 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
  // Accepting can fail later, when the machine is out of files or memory: that must cost one caller and not the agent.
  server.on('error', onError)
  chmodSync(socketPath, 0o666)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

export async function readBody(request: IncomingMessage, longest: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longest) throw new BodyTooLong(`the body is longer than ${longest} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
