import { type ChildProcess, spawn } from 'node:child_process'
import os from 'node:os'
import { NetnsError, systemError } from './errors.ts'
import { inNetns, type Netns } from './netns.ts'

export interface RunOptions {
  /** Written to the program's standard input; absent: it is empty. */
  input?: string
  /** Absent: the environment of this process. */
  env?: NodeJS.ProcessEnv
  /** Milliseconds until SIGKILL; the promise then rejects. */
  timeout?: number
}

export interface RunResult {
  /** Exit status; 128 + signal number as shells have it if a signal ended the program. */
  code: number
  stdout: string
  stderr: string
}

/** Runs a program inside the namespace (undefined: the process's own). A non-zero exit is a result, not an error. */
export async function run(
  netns: Netns | undefined,
  command: string,
  args: string[],
  options: RunOptions = {}
): Promise<RunResult> {
  const start = (): ChildProcess =>
    spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(options.env && { env: options.env }) })
  const child = netns === undefined ? start() : inNetns(netns, start)
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', error => reject(systemError(`run ${command}`, error)))
    child.on('close', (status, signal) => resolve(status ?? 128 + (signal === null ? 0 : signalNumber(signal))))
  })
  let timer: NodeJS.Timeout | undefined
  let timedOut = false
  if (options.timeout !== undefined) {
    timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, options.timeout)
  }
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  // Out of descriptors there are no streams; the error then follows.
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A program that does not read its input closes the pipe: EPIPE is then no failure of the run.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  const code = await ended.finally(() => clearTimeout(timer))
  if (timedOut) {
    throw new NetnsError('NETNS_PROGRAM_TIMEOUT', `${command} did not end within ${options.timeout} ms`)
  }
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

function signalNumber(signal: NodeJS.Signals): number {
  return os.constants.signals[signal] ?? 0
}
