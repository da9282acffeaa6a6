import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { LabError } from '../errors.ts'
import { enter } from '../machine/enter.ts'
import { onlyChild, signalProcess } from '../machine/process-facts.ts'
import { exitStatus, systemPath } from '../machine/run-command.ts'
import type { LabNode } from '../node/node.ts'
import { containerDirectory, type ContainerRootOptions, enterContainerScript, upperLayer } from './container-root.ts'

export interface ContainerProcess {
  /** Process 1 of the container, as numbered on the machine; 0 if it ended at once. */
  readonly pid: number
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exited: Promise<ContainerExit>
  /** Process 1 only gets signals that it handles, and SIGKILL, as in any container. */
  kill(signal: NodeJS.Signals): void
}

export interface ContainerExit {
  /** 128 + n after signal n. */
  readonly code: number
  readonly signal: NodeJS.Signals | undefined
}

export interface ContainerStart extends ContainerRootOptions {
  readonly node: LabNode
  /** The network namespace as the machine sees it; undefined: the node's. */
  readonly netnsFile: string | undefined
  readonly command: readonly string[]
  /** Words in front of the command that restrict it. */
  readonly rights: readonly string[]
  readonly environment: ReadonlyMap<string, string>
  /** Files placed in the container's writable layer: path → content. */
  readonly files: Readonly<Record<string, string>>
}

/** Resolves once the container's root stands and its program is being executed. */
export function startContainer(start: ContainerStart): Promise<ContainerProcess> {
  const { node } = start
  placeFiles(node, start.containerId, start.files)
  const variables = [...start.environment].map(([name, value]) => `${name}=${value}`)
  const program = [...start.rights, 'env', '-i', `--chdir=${start.workingDirectory}`, ...variables, ...start.command]
  const script = enterContainerScript(start)
  const [file, ...args] = enter(
    node.pid,
    { mount: true, pid: true, uts: true, ipc: true, net: start.netnsFile ?? true },
    ['/bin/sh', '-c', script, 'sh', ...program]
  )
  const child = spawn(file!, args, {
    env: { PATH: systemPath },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe']
  })
  const stdout = child.stdout!
  const stderr = child.stderr!
  const ready = child.stdio[3] as Readable
  const exited = new Promise<ContainerExit>(resolve => {
    child.on('close', (code, signal) => resolve({ code: exitStatus(code, signal), signal: signal ?? undefined }))
  })
  return new Promise((resolve, reject) => {
    let started = false
    const early: Buffer[] = []
    const collect = (chunk: Buffer): void => void early.push(chunk)
    stderr.on('data', collect)
    child.on('error', error => {
      reject(new LabError('LAB_CONTAINER', `nsenter cannot be started: ${error.message}`, { cause: error }))
    })
    ready.once('data', () => {
      started = true
      stderr.off('data', collect)
      stderr.pause()
      // The program's first words may have overtaken the byte.
      if (early.length > 0) stderr.unshift(Buffer.concat(early))
      const pid = processOne(child.pid!)
      const kill = (signal: NodeJS.Signals): void => {
        if (child.exitCode !== null || child.signalCode !== null) return
        if (pid === 0) child.kill('SIGKILL')
        else signalProcess(pid, signal)
      }
      resolve({ pid, stdout, stderr, exited, kill })
    })
    // 'exit', not 'close': the pipes are only read to their ends once the container counts as started.
    child.on('exit', code => {
      const fail = (): void => {
        if (started) return
        const reason = Buffer.concat(early).toString('utf8').trim().slice(0, 4000) || `exit status ${code}`
        reject(new LabError('LAB_CONTAINER', `the container's root could not be set up: ${reason}`))
      }
      if (ready.closed) fail()
      else ready.once('close', fail)
    })
  })
}

/**
 * nsenter forks to enter the PID namespace, what it runs becomes unshare, and that forks once more. 0 when the program
 * has ended already: it was there to write its byte.
 */
function processOne(nsenter: number): number {
  try {
    return onlyChild(onlyChild(nsenter))
  } catch {
    return 0
  }
}

/** Into the layer itself, where no symbolic link of the machine can lead elsewhere. */
function placeFiles(node: LabNode, containerId: string, files: Readonly<Record<string, string>>): void {
  const directory = containerDirectory(containerId)
  const upper = upperLayer(containerId)
  for (const name of [upper, `${directory}/work`, `${directory}/root`, `${upper}/var`]) {
    fs.mkdirSync(node.path(name), { recursive: true, mode: 0o755 })
  }
  fs.symlinkSync('../run', node.path(`${upper}/var/run`))
  for (const [name, content] of Object.entries(files)) {
    const file = node.path(path.join(upper, name))
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, content)
  }
}

/** Removes the container's layer, once its processes are gone. */
export function removeContainer(node: LabNode, containerId: string): void {
  fs.rmSync(node.path(containerDirectory(containerId)), { recursive: true, force: true })
}
