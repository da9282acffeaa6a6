import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { connectSeqpacket, listenSeqpacket, type SeqpacketPacket, type SeqpacketSocket } from '@culvert/netns'
import type { ZdsLog } from '../src/log.ts'

/** A socket path of one test, and what is to be undone after it. */
export interface Bench extends Disposable {
  readonly path: string
  /** Runs at the end, last first. */
  onEnd(step: () => void): void
  /** A raw node agent: sockets in accept order. */
  serve(): { next(): Promise<SeqpacketSocket>; stop(): void }
  /** A raw ztunnel. */
  dial(): Promise<SeqpacketSocket>
  /** A descriptor of some file; two files count as two namespaces. */
  file(name: string): number
  /** How many descriptors of that file this process holds. */
  held(name: string): number
}

export function createBench(): Bench {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-zds-'))
  const steps: (() => void)[] = [() => fs.rmSync(dir, { recursive: true })]
  const target = path.join(dir, 'ztunnel.sock')
  const bench: Bench = {
    path: target,
    onEnd: step => steps.push(step),
    serve() {
      const arrived: SeqpacketSocket[] = []
      const waiting: ((socket: SeqpacketSocket) => void)[] = []
      const listener = listenSeqpacket(target, {
        onConnection: socket => {
          steps.push(() => socket.close())
          const waiter = waiting.shift()
          if (waiter === undefined) arrived.push(socket)
          else waiter(socket)
        }
      })
      steps.push(() => listener.close())
      return {
        next: () => {
          const socket = arrived.shift()
          return socket === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(socket)
        },
        stop: () => listener.close()
      }
    },
    async dial() {
      const socket = await connectSeqpacket(target)
      steps.push(() => socket.close())
      return socket
    },
    file(name) {
      const fd = fs.openSync(path.join(dir, name), 'w+')
      steps.push(() => fs.closeSync(fd))
      return fd
    },
    held(name) {
      return fs.readdirSync('/proc/self/fd').filter(fd => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`) === path.join(dir, name)
        } catch {
          return false
        }
      }).length
    },
    [Symbol.dispose]() {
      for (const step of steps.reverse()) step()
    }
  }
  return bench
}

/** The next packet as hexadecimal text, 'end' at the end. */
export async function read(socket: SeqpacketSocket): Promise<string> {
  const packet = await readPacket(socket)
  return packet === undefined ? 'end' : packet.bytes.toString('hex')
}

export function readPacket(socket: SeqpacketSocket): Promise<SeqpacketPacket | undefined> {
  return socket.receive({ maxBytes: 4096, maxFds: 8 })
}

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

export const silent: ZdsLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
