import { type Netns, type RunOptions, type RunResult, run } from '@culvert/netns'
import { IptablesError } from './errors.ts'

/** Where the appliers say what they did and what they had to live with. */
export interface CaptureLog {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
}

/** Runs a program in a namespace (undefined: this process's); `run` of @culvert/netns, or a recorder in tests. */
export type RunProgram = (
  netns: Netns | undefined,
  command: string,
  args: string[],
  options?: RunOptions
) => Promise<RunResult>

/** What a command of ours may take unless told otherwise. Legacy iptables itself waits up to 30 s for its lock. */
const usualTimeoutMs = 45_000

// The programs are looked up in the administrators' folders, whatever PATH this process was started with; and their
// output is parsed, so the locale is fixed.
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/** The commands of one backend: in which namespace, with one environment and limit, logged at debug. */
export interface Commands {
  /** Any exit status is a result; not being able to run at all is an error. */
  attempt(netns: Netns | undefined, command: string, args: readonly string[], input?: string): Promise<RunResult>
  /** Only status 0 is a result. */
  require(netns: Netns | undefined, command: string, args: readonly string[], input?: string): Promise<RunResult>
}

export function createCommands(options: {
  log: CaptureLog
  run?: RunProgram | undefined
  timeoutMs?: number
}): Commands {
  const { log, run: runProgram = run, timeoutMs = usualTimeoutMs } = options

  async function attempt(
    netns: Netns | undefined,
    command: string,
    args: readonly string[],
    input?: string
  ): Promise<RunResult> {
    const started = performance.now()
    let result: RunResult
    try {
      result = await runProgram(netns, command, [...args], {
        env: environment,
        timeout: timeoutMs,
        ...(input !== undefined && { input })
      })
    } catch (error) {
      throw new IptablesError('IPTABLES_COMMAND_NOT_RUN', `cannot run ${describe(command, args)}: ${message(error)}`, {
        cause: error
      })
    }
    const elapsed = (performance.now() - started).toFixed(1)
    log.debug(`ran ${describe(command, args)}: status ${result.code} after ${elapsed} ms`)
    return result
  }

  return {
    attempt,
    async require(netns, command, args, input) {
      const result = await attempt(netns, command, args, input)
      if (result.code !== 0) throw commandFailed(command, args, result)
      return result
    }
  }
}

export function commandFailed(command: string, args: readonly string[], result: RunResult): IptablesError {
  const reason = exitReason(command, result.code)
  return new IptablesError(
    'IPTABLES_COMMAND_FAILED',
    `${describe(command, args)} failed with status ${result.code}${reason}: ${shorten(result.stderr || result.stdout)}`
  )
}

function exitReason(command: string, code: number): string {
  if (!command.includes('tables')) return ''
  const reasons: Record<number, string> = {
    1: ' (other problem)',
    2: ' (parameter problem)',
    3: ' (version problem)',
    4: ' (resource problem)'
  }
  return reasons[code] ?? ''
}

function describe(command: string, args: readonly string[]): string {
  return `'${[command, ...args].join(' ')}'`
}

function shorten(text: string): string {
  const oneLine = text.trim().replaceAll(/\s*\n\s*/g, '; ')
  return oneLine.length > 500 ? `${oneLine.slice(0, 500)}…` : oneLine
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
