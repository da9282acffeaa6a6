import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'

/** Milliseconds of the longest turn of a proxy's event loop. */
export interface LongestTurn {
  /** On the clock. */
  readonly pause: number
  /** In which its thread was ready and had no processor. */
  readonly wait: number
  /** On a processor, in the turn with the most of that. */
  readonly work: number
}

/** What a proxy needs so that its turns can be watched. */
export const probe: { readonly inside: string; readonly file: string; readonly socket: string } = {
  inside: '/etc/bench/event-loop-probe.ts',
  file: path.join(import.meta.dirname, 'event-loop-probe.ts'),
  socket: '/tmp/culvert-bench-event-loop.sock'
}

/** Watches the turns of a process with the probe until the returned function is called. */
export async function watchTurns(pid: number): Promise<() => Promise<LongestTurn>> {
  // The socket is in the process's own file system.
  const socket = connect({ path: `/proc/${pid}/root${probe.socket}`, allowHalfOpen: true })
  await once(socket, 'connect')
  return async () => {
    socket.end()
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return JSON.parse(Buffer.concat(chunks).toString()) as LongestTurn
  }
}
