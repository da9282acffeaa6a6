import { type ChildProcess, spawn } from 'node:child_process'
import { LabError } from '../errors.ts'
import { onlyChild, signalProcess } from './process-facts.ts'
import { systemPath } from './run-command.ts'

/** Keeps namespaces alive: process 1 of a PID namespace whose end takes every other process in it along. */
export interface NamespaceHolder {
  /** Process 1 as numbered on the machine. */
  readonly pid: number
  /** Kills it, and so everything in its PID namespace. Repeatable. */
  close(): Promise<void>
}

export interface HolderOptions {
  /** For messages. */
  readonly name: string
  /** Besides the PID namespace. */
  readonly namespaces: readonly ('mount' | 'net' | 'uts' | 'ipc')[]
  /** What to execute as process 1: bash, perhaps under another name. */
  readonly shell: string
  /** Prepares the namespaces before the holder counts as ready. */
  readonly script?: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The holder ends when its standard input does, and that pipe's other end is only in this process: also after SIGKILL
 * of the lab the kernel closes it, and no namespace, mount or process of the cluster is left. bash, since as process 1
 * it must reap what is orphaned in the namespace, also while it waits in `read`.
 */
const hold = 'echo ready; exec >/dev/null 2>&1; while read -r _; do :; done'

export function startHolder(options: HolderOptions): Promise<NamespaceHolder> {
  const script = `set -eu\n${options.script ?? ''}\n${hold}\n`
  const flags = options.namespaces.map(namespace => `--${namespace}`)
  // Without --norc bash, seeing a socket for its input as under rshd, would run somebody's ~/.bashrc first.
  const shell = [options.shell, '--norc', '--noprofile', '-c', script]
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', ...flags, '--', ...shell], {
    env: { PATH: systemPath },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe']
  })
  child.stdin.on('error', () => {}) // EPIPE after its end; `ended` tells
  const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    const giveUp = (): void => void child.kill('SIGKILL')
    options.signal?.addEventListener('abort', giveUp)
    child.stderr.on('data', chunk => {
      stderr += chunk
    })
    child.on('error', error => {
      reject(new LabError('LAB_NODE', `${options.name}: unshare cannot be started: ${error.message}`, { cause: error }))
    })
    child.on('close', code => {
      reject(new LabError('LAB_NODE', `${options.name}: its namespaces could not be made (${code}): ${stderr.trim()}`))
    })
    child.stdout.on('data', chunk => {
      stdout += chunk
      if (!stdout.includes('ready\n')) return
      options.signal?.removeEventListener('abort', giveUp)
      try {
        resolve(holder(child, onlyChild(child.pid!), ended))
      } catch (error) {
        child.kill('SIGKILL')
        reject(error)
      }
    })
    if (options.signal?.aborted) giveUp()
  })
}

function holder(child: ChildProcess, pid: number, ended: Promise<void>): NamespaceHolder {
  return {
    pid,
    close: () => {
      // Process 1 itself: the kernel lets it go only when every other process of its namespace is gone, and its parent
      // ends after it. Killing the parent instead would leave that to happen some time later.
      if (child.exitCode === null && child.signalCode === null) signalProcess(pid, 'SIGKILL')
      return ended
    }
  }
}
