import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { type TestNode, until } from './node.ts'

/** What a node proxy has in use. */
export interface Level {
  readonly descriptors: number
  /** Of istio_tcp_sockets_open, over all reporters. */
  readonly sockets: number
}

export async function levelOf(node: TestNode): Promise<Level> {
  return { sockets: await openSockets(node), descriptors: descriptorsOf(node) }
}

export async function openSockets(node: TestNode): Promise<number> {
  const { body } = await node.http(15020, '/metrics')
  const rows = body.matchAll(/^istio_tcp_sockets_open\{.*\} (\d+)$/gm)
  return [...rows].reduce((sum, [, count]) => sum + Number(count), 0)
}

export function descriptorsOf(node: TestNode): number {
  return readdirSync(`/proc/${node.process.pid}/fd`).length
}

/** Octets. */
export function residentMemoryOf(node: TestNode): number {
  const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${node.process.pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) * 1_024
}

/** Waits until the proxy has no more in use than it had; what others took may take a moment to go. */
export async function untilBackAt(node: TestNode, before: Level): Promise<void> {
  let now = before
  await until(
    async () => {
      now = await levelOf(node)
      return now.sockets === before.sockets && now.descriptors <= before.descriptors
    },
    () => [`it was ${JSON.stringify(before)}, it is ${JSON.stringify(now)}`, ...node.lines()]
  )
  expect([node.process.exitCode, node.process.signalCode]).toEqual([null, null])
}
