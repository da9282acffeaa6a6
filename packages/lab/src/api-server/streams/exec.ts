import type { Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Kubelet } from '../kubelets.ts'
import type { KubeObject } from '../objects.ts'
import type { SpdyStream } from '../spdy/session.ts'

/** v5 can close standard input by itself. */
export const execProtocols: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const
const highWater = 1024 * 1024

/** What is run, and where. */
export interface ExecTarget {
  readonly kubelet: Kubelet
  readonly pod: KubeObject
  readonly container: string
  readonly query: URLSearchParams
}

/** The client's side of a command, whatever carries it. */
interface ExecClient {
  readonly signal: AbortSignal
  /** Told where input goes, once there is somewhere. */
  connectInput(input: NodeJS.WritableStream): void
  send(to: 'stdout' | 'stderr', bytes: Buffer): Promise<void>
  finish(status: object): void
}

const flag = (query: URLSearchParams, name: string): boolean => ['true', '1'].includes(query.get(name) ?? '')

async function runExec({ kubelet, pod, container, query }: ExecTarget, client: ExecClient): Promise<void> {
  try {
    if (kubelet.exec === undefined) throw new Error('this kubelet cannot run commands in containers')
    const process = await kubelet.exec(pod, {
      container,
      command: query.getAll('command'),
      stdin: flag(query, 'stdin'),
      tty: flag(query, 'tty'),
      signal: client.signal
    })
    if (process.stdin !== undefined) client.connectInput(process.stdin)
    const [code] = await Promise.all([
      process.exit,
      sendAll(client, 'stdout', process.stdout),
      process.stderr === undefined ? undefined : sendAll(client, 'stderr', process.stderr)
    ])
    client.finish(exitStatus(code))
  } catch (error) {
    client.finish(failure(error instanceof Error ? error.message : String(error)))
  }
}

async function sendAll(client: ExecClient, to: 'stdout' | 'stderr', stream: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of stream) await client.send(to, chunk)
}

/** Each message of the WebSocket begins with its channel. */
export function execOverWebSocket(target: ExecTarget, socket: WebSocket): Promise<void> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const early: Buffer[] = []
  let deliver = (message: Buffer): void => void early.push(message)
  socket.on('message', message => deliver(message as Buffer))
  return runExec(target, {
    signal: gone.signal,
    connectInput(input) {
      deliver = message => {
        if (message[0] === channel.close && message[1] === channel.stdin) input.end()
        else if (message[0] === channel.stdin) input.write(message.subarray(1))
      }
      for (const message of early) deliver(message)
    },
    send(to, bytes) {
      const message = Buffer.concat([Buffer.from([channel[to]]), bytes])
      return new Promise(resolve => {
        const room = socket.bufferedAmount < highWater
        socket.send(message, () => void (room || resolve()))
        if (room) resolve()
      })
    },
    finish(status) {
      socket.send(Buffer.concat([Buffer.from([channel.error]), Buffer.from(JSON.stringify(status))]))
      socket.close(1000)
    }
  })
}

/** Each channel is a stream of a SPDY session; the command starts when all that were asked for are there. */
export function execOverSpdy(target: ExecTarget, signal: AbortSignal): (stream: SpdyStream) => void {
  const { query } = target
  const wanted = ['error', ...['stdin', 'stdout', 'stderr'].filter(name => flag(query, name))]
  const streams = new Map<string, SpdyStream>()
  return stream => {
    const { streamtype = '' } = stream.headers
    streams.set(streamtype, stream)
    if (streamtype !== 'stdin') stream.resume()
    if (!wanted.includes(streamtype) || !wanted.every(name => streams.has(name))) return
    void runExec(target, {
      signal,
      connectInput: input => void streams.get('stdin')?.pipe(input),
      send: (to, bytes) => written(streams.get(to), bytes),
      finish(status) {
        for (const name of ['stdout', 'stderr']) streams.get(name)?.end()
        streams.get('error')?.end(JSON.stringify(status))
      }
    })
  }
}

/** A stream the client did not ask for takes nothing. */
function written(stream: Writable | undefined, bytes: Buffer): Promise<void> {
  if (stream === undefined || stream.destroyed || stream.write(bytes)) return Promise.resolve()
  return new Promise(resolve => {
    stream.once('drain', resolve)
    stream.once('close', resolve)
  })
}

function exitStatus(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit code ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] }
  }
}

const failure = (message: string): object => ({
  metadata: {},
  status: 'Failure',
  message,
  reason: 'InternalError',
  code: 500
})
