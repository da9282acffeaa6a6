import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { LabError } from '../errors.ts'
import { killGroup } from './process-facts.ts'

export interface RunOptions {
  readonly input?: string
  /** Replaces the environment; default: only a PATH, so that the lab behaves the same whoever starts it. */
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds; default 30,000. */
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
}

export interface RunResult {
  /** Exit status; 128 + n after signal n. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export const systemPath: string = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** More output than this of one command is a mistake, not a result. */
const maxOutputBytes = 64 * 1024 * 1024

/** Runs a program to its end. A status other than 0 is a result; not starting, time-out and abort are errors. */
export function runCommand(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = command
  if (program === undefined) throw new LabError('LAB_COMMAND', 'the command is empty')
  const timeout = options.timeout ?? 30_000
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: options.env ?? { PATH: systemPath },
      // A session of its own: Ctrl-C reaches the lab, which then stops what it started in order.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe']
    })
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    let bytes = 0
    let failure: LabError | undefined
    const fail = (error: LabError): void => {
      failure ??= error
      killGroup(child)
      // What left the group may hold the pipes for as long as it likes; nobody reads them any more.
      child.stdout.destroy()
      child.stderr.destroy()
    }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxOutputBytes)
          fail(new LabError('LAB_COMMAND', `${program} wrote more than ${maxOutputBytes} bytes`))
        else output[stream].push(chunk)
      })
    }
    const timer = setTimeout(() => {
      fail(new LabError('LAB_TIMEOUT', `${describe(command)} did not end within ${timeout} ms`))
    }, timeout)
    const onAbort = (): void => {
      fail(new LabError('LAB_CLOSED', `${describe(command)} was given up`, { cause: options.signal?.reason }))
    }
    options.signal?.addEventListener('abort', onAbort)
    if (options.signal?.aborted) onAbort()
    const settle = (): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
    }
    child.on('error', error => {
      settle()
      reject(new LabError('LAB_COMMAND', `${program} cannot be started: ${error.message}`, { cause: error }))
    })
    child.on('close', (code, signal) => {
      settle()
      if (failure !== undefined) return reject(failure)
      const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('utf8')
      resolve({ code: exitStatus(code, signal), stdout: text(output.stdout), stderr: text(output.stderr) })
    })
    // EPIPE: a program that does not read its input to the end has said so by its status.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** As `runCommand`, where any status other than 0 is an error that carries what the program said. */
export async function runChecked(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, options)
  if (code === 0) return stdout
  const said = (stderr.trim() || stdout.trim()).slice(0, 2000)
  throw new LabError('LAB_COMMAND', `${describe(command)} ended with ${code}${said && `: ${said}`}`)
}

export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code
  return 128 + (signal === null ? 0 : constants.signals[signal])
}

/** Programs behind nsenter are what a reader looks for; scripts are too long to show. */
function describe(command: readonly string[]): string {
  const inner = command[0] === 'nsenter' ? command.slice(command.indexOf('--') + 1) : command
  const text = inner.join(' ').replace(/\s+/g, ' ')
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}
