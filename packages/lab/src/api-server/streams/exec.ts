import type { WebSocket } from 'ws'
import type { Kubelet } from '../kubelets.ts'
import type { KubeObject } from '../objects.ts'

/** v5 can close standard input by itself. */
export const execProtocols: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, close: 255 } as const
const highWater = 1024 * 1024

const flag = (query: URLSearchParams, name: string): boolean => ['true', '1'].includes(query.get(name) ?? '')

/** Runs a command in a container, its input and output in the channels of a WebSocket, its end as a Status. */
export async function runExec(
  socket: WebSocket,
  kubelet: Kubelet,
  pod: KubeObject,
  container: string,
  query: URLSearchParams
): Promise<void> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const early: Buffer[] = []
  let deliver = (message: Buffer): void => void early.push(message)
  socket.on('message', message => deliver(message as Buffer))
  try {
    if (kubelet.exec === undefined) throw new Error('this kubelet cannot run commands in containers')
    const process = await kubelet.exec(pod, {
      container,
      command: query.getAll('command'),
      stdin: flag(query, 'stdin'),
      tty: flag(query, 'tty'),
      signal: gone.signal
    })
    deliver = message => {
      if (message[0] === channel.close && message[1] === channel.stdin) process.stdin?.end()
      else if (message[0] === channel.stdin) process.stdin?.write(message.subarray(1))
    }
    for (const message of early) deliver(message)
    const [code] = await Promise.all([
      process.exit,
      sendAll(socket, channel.stdout, process.stdout),
      process.stderr === undefined ? undefined : sendAll(socket, channel.stderr, process.stderr)
    ])
    finish(socket, exitStatus(code))
  } catch (error) {
    finish(socket, failure(error instanceof Error ? error.message : String(error)))
  }
}

async function sendAll(socket: WebSocket, to: number, stream: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of stream) {
    await new Promise<void>(resolve => {
      const done = socket.bufferedAmount < highWater
      socket.send(Buffer.concat([Buffer.from([to]), chunk]), () => void (done || resolve()))
      if (done) resolve()
    })
  }
}

function finish(socket: WebSocket, status: object): void {
  socket.send(Buffer.concat([Buffer.from([channel.error]), Buffer.from(JSON.stringify(status))]))
  socket.close(1000)
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
