import { spawn } from 'node:child_process'
import { PassThrough, type Readable } from 'node:stream'
import { connectTcp } from '@culvert/netns'
import type { ExecOptions, ExecProcess, Kubelet, LogOptions } from '../api-server/index.ts'
import type { ContainerLog, LogLine } from '../containers/container-log.ts'
import { LabError } from '../errors.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { killGroup } from '../machine/process-facts.ts'
import { exitStatus } from '../machine/run-command.ts'
import type { PodWorker } from './pod-worker.ts'

/** What a node's kubelet does when the API server asks for a pod's logs, ports or programs. */
export function apiKubelet(findWorker: (uid: string) => PodWorker | undefined): Kubelet {
  const worker = (pod: { metadata: { uid?: string; namespace?: string; name?: string } }): PodWorker => {
    const found = findWorker(pod.metadata.uid ?? '')
    if (found) return found
    throw new LabError('LAB_NOT_FOUND', `pod ${pod.metadata.namespace}/${pod.metadata.name} is not on this node`)
  }
  return {
    log: (pod, options) => {
      const record = worker(pod).record(options.container)
      const log = options.previous ? record?.previousLog : record?.log
      if (log === undefined) {
        const which = options.previous ? 'previous terminated container' : 'container'
        throw new LabError('LAB_NOT_FOUND', `${which} "${options.container}" in pod "${pod.metadata.name}" has no log`)
      }
      return logStream(log, options)
    },
    portForward: async (pod, port, signal) => {
      const { sandbox } = worker(pod)
      if (sandbox === undefined) throw new LabError('LAB_NOT_FOUND', `pod ${pod.metadata.name} has no network now`)
      return connectTcp(sandbox.netns, { ip: '127.0.0.1', port }, { allowHalfOpen: true, signal, timeout: 10_000 })
    },
    exec: async (pod, options) => execInContainer(worker(pod), options)
  }
}

/** The kept lines that the options ask for, then, following, each new one. */
export function logStream(log: ContainerLog, options: LogOptions): Readable {
  const out = new PassThrough()
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY
  const since = sinceTime(options)
  const write = (line: LogLine): void => {
    const bytes = Buffer.from(`${options.timestamps ? `${line.time} ` : ''}${line.text}\n`).subarray(0, left)
    left -= bytes.length
    if (bytes.length > 0) out.write(bytes)
    if (left <= 0) out.end()
  }
  let lines = log.lines()
  if (since !== undefined) lines = lines.filter(line => Date.parse(line.time) >= since)
  if (options.tailLines !== undefined) lines = options.tailLines === 0 ? [] : lines.slice(-options.tailLines)
  for (const line of lines) write(line)
  if (!options.follow || log.ended) {
    out.end()
    return out
  }
  const stopLines = log.onLine(line => {
    // A reader that does not keep up loses the log's end rather than growing the lab's memory.
    if (out.writableLength > 16 * 1024 * 1024) out.end()
    else write(line)
  })
  const stopEnd = log.onEnd(() => out.end())
  const stop = (): void => {
    stopLines()
    stopEnd()
  }
  out.on('finish', stop)
  out.on('close', stop)
  options.signal.addEventListener('abort', () => out.destroy())
  return out
}

function sinceTime(options: LogOptions): number | undefined {
  if (options.sinceTime !== undefined) return options.sinceTime.getTime()
  return options.sinceSeconds === undefined ? undefined : Date.now() - options.sinceSeconds * 1000
}

function execInContainer(worker: PodWorker, options: ExecOptions): ExecProcess {
  const record = worker.record(options.container)
  if (record?.state.phase !== 'running') {
    throw new LabError('LAB_NOT_FOUND', `container "${options.container}" is not running`)
  }
  if (options.tty)
    throw new LabError('LAB_UNSUPPORTED', 'the lab runs programs in containers without a terminal (no -t)')
  const [program, ...args] = enter(record.state.process.pid, allNamespaces, options.command)
  const child = spawn(program!, args, { env: Object.fromEntries(record.environment), detached: true })
  child.stdin.on('error', () => {}) // EPIPE: the program's status says what became of it
  if (!options.stdin) child.stdin.end()
  options.signal.addEventListener('abort', () => killGroup(child))
  if (options.signal.aborted) killGroup(child)
  return {
    stdin: options.stdin ? child.stdin : undefined,
    stdout: child.stdout,
    stderr: child.stderr,
    exit: new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(exitStatus(code, signal)))
    })
  }
}
