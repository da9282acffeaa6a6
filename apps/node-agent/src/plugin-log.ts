import { createServer, type IncomingMessage } from 'node:http'
import { createLog, type Log, type LogLevel, type LogOptions } from '@culvert/telemetry'
import { reasonOf } from './errors.ts'
import { listenOnUnixSocket, readBody } from './unix-socket.ts'

/** One line of a plugin run (docs/spec/cni.md 2.8). */
export interface PluginLine {
  readonly level: LogLevel
  /** Microseconds since the epoch. */
  readonly time: number
  readonly message: string
  readonly labels: readonly (readonly [name: string, value: string])[]
}

export interface PluginLogOptions {
  readonly socketPath: string
  /** What the agent's own log is made with; the time is the plugin's. */
  readonly log: Omit<LogOptions, 'clock'>
  readonly onInvalid: (message: string) => void
}

/** Far above what one run writes. */
const longestBatch = 4 << 20
const longestMessage = 8192
const levels: readonly string[] = ['debug', 'info', 'warn', 'error']

/** Takes the plugin's lines over `POST /log` and logs them under scope `cni-plugin`; always answers 200. */
export async function startPluginLog(options: PluginLogOptions): Promise<{ close: () => Promise<void> }> {
  let time = 0
  const log: Log = createLog({ ...options.log, clock: () => time })
  const scope = log.scope('cni-plugin')
  const server = createServer((request, response) => {
    take(request)
      .catch((error: unknown) => options.onInvalid(`lines of the CNI plugin are dropped: ${reasonOf(error)}`))
      .finally(() => response.writeHead(200).end())
  })

  async function take(request: IncomingMessage): Promise<void> {
    if (request.url?.split('?', 1)[0] !== '/log') return
    // Without a wait in between, so a batch stays together.
    for (const line of parsePluginLines(await readBody(request, longestBatch))) {
      time = line.time
      scope.log(line.level, line.message, [...line.labels])
    }
  }

  return await listenOnUnixSocket(server, options.socketPath, error =>
    options.onInvalid(`cannot take lines of the CNI plugin: ${error.message}`)
  )
}

/** @throws Error unless the body is an array of strings; an element that is no line is skipped. */
export function parsePluginLines(body: string): PluginLine[] {
  const batch: unknown = JSON.parse(body)
  if (!Array.isArray(batch) || !batch.every(element => typeof element === 'string')) {
    throw new Error('the body is no array of strings')
  }
  return batch.map(parseLine).filter(line => line !== undefined)
}

function parseLine(text: string): PluginLine | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof fields !== 'object' || fields === null) return undefined
  const { msg, level, time, ...labels } = fields as Record<string, unknown>
  if (typeof msg !== 'string' || typeof level !== 'string' || typeof time !== 'string') return undefined
  const microseconds = parseTime(time)
  if (microseconds === undefined || !levels.includes(level)) return undefined
  return {
    level: level as LogLevel,
    time: microseconds,
    message: printable(msg.trim()),
    labels: Object.entries(labels).map(([name, value]) => [
      printable(name),
      printable(typeof value === 'string' ? value : JSON.stringify(value))
    ])
  }
}

function parseTime(text: string): number | undefined {
  const [, seconds = '', fraction = '', zone = ''] = /^([^.]+?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const milliseconds = Date.parse(`${seconds}${zone}`)
  if (seconds === '' || Number.isNaN(milliseconds)) return undefined
  return milliseconds * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/** Anybody on the node can write to the socket: no control characters reach the log, and nothing endless. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
  return clean.length > longestMessage ? `${clean.slice(0, longestMessage)}…` : clean
}
