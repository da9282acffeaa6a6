import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Capture, CaptureOptions } from '../cluster/cluster-types.ts'
import { LabError } from '../errors.ts'
import { enter } from '../machine/enter.ts'
import { onlyChild, signalProcess } from '../machine/process-facts.ts'
import { systemPath } from '../machine/run-command.ts'
import type { Fabric } from './fabric.ts'
import { fabricBridge } from './ip-batches.ts'
import { readPcap } from './pcap.ts'

let captures = 0

/** tcpdump in the fabric, inside its PID namespace so that it cannot outlive it. Resolves once it captures. */
export async function startCapture(fabric: Fabric, directory: string, options: CaptureOptions = {}): Promise<Capture> {
  captures += 1
  const file = path.join(directory, options.file ?? `capture-${captures}.pcap`)
  // Immediate mode: the kernel hands packets over one by one; -U: each is written at once; -Z: it stays root, whose file
  // this is.
  const tcpdump = ['tcpdump', '-i', fabricBridge, '-n', '-U', '--immediate-mode', '-s', '0', '-Z', 'root', '-w', file]
  const [program, ...args] = enter(fabric.pid, { pid: true, net: true }, [
    ...tcpdump,
    ...(options.filter ? [options.filter] : [])
  ])
  const child = spawn(program!, args, {
    env: { PATH: systemPath },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.on('error', cause =>
      reject(new LabError('LAB_COMMAND', `tcpdump cannot be started: ${cause.message}`, { cause }))
    )
    child.on('close', code => reject(new LabError('LAB_COMMAND', `tcpdump ended with ${code}: ${said.trim()}`)))
    child.stderr.on('data', chunk => {
      said += chunk
      if (said.includes('listening on')) resolve()
    })
  })
  /** nsenter waits; the signal is for tcpdump, its child, which then empties its buffers. */
  const interrupt = async (): Promise<void> => {
    try {
      if (child.exitCode === null && child.signalCode === null) signalProcess(onlyChild(child.pid!), 'SIGINT')
    } catch (error) {
      // It ended by itself, or with the fabric, and nsenter is about to follow.
      if (!(error instanceof LabError)) throw error
    }
  }
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= interrupt().then(() => ended)
    return stopping
  }
  return {
    file,
    read: () => fs.promises.readFile(file),
    packets: async () => readPcap(await fs.promises.readFile(file)),
    stop,
    [Symbol.asyncDispose]: stop
  }
}
