import { EventEmitter } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'

/** One run of a container: everything it writes, a line at a time with its time, in at most two files. */
export interface ContainerLog {
  /** Takes a stream over until its end. */
  follow(stream: Readable, name: 'stdout' | 'stderr'): void
  /** Everything kept, oldest first. */
  lines(): LogLine[]
  /** Called for every line written from now on, until the returned function is called. */
  onLine(listener: (line: LogLine) => void): () => void
  onEnd(listener: () => void): () => void
  readonly ended: boolean
  /** No more will come. */
  end(): void
}

export interface LogLine {
  /** RFC 3339 with nine digits of a second. */
  readonly time: string
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
}

/** A file that grows beyond this is set aside and the one before it dropped. */
const maxFileBytes = 5 * 1024 * 1024

/** Longer lines are split, so that a program that never ends its line cannot grow the lab's memory. */
const maxLineBytes = 16 * 1024

export function createContainerLog(file: string): ContainerLog {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  let fd = fs.openSync(file, 'a')
  let size = 0
  let ended = false
  const events = new EventEmitter().setMaxListeners(0)

  const write = (stream: LogLine['stream'], text: string): void => {
    if (ended) return
    const line: LogLine = { time: timestamp(), stream, text }
    const record = `${line.time} ${stream} F ${text}\n`
    size += Buffer.byteLength(record)
    if (size > maxFileBytes) {
      fs.closeSync(fd)
      fs.renameSync(file, `${file}.1`)
      fd = fs.openSync(file, 'a')
      size = Buffer.byteLength(record)
    }
    fs.writeSync(fd, record)
    events.emit('line', line)
  }

  return {
    follow: (stream, name) => {
      let rest = Buffer.alloc(0)
      stream.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk])
        for (;;) {
          const end = rest.indexOf(0x0a)
          if (end === -1 && rest.length < maxLineBytes) break
          const length = end === -1 || end > maxLineBytes ? maxLineBytes : end
          write(name, rest.subarray(0, length).toString('utf8'))
          rest = rest.subarray(length === end ? length + 1 : length)
        }
      })
      stream.on('close', () => {
        if (rest.length > 0) write(name, rest.toString('utf8'))
        rest = Buffer.alloc(0)
      })
      stream.on('error', () => {}) // the process's end says more
      stream.resume()
    },
    lines: () => [...readLines(`${file}.1`), ...readLines(file)],
    onLine: listener => subscribe(events, 'line', listener),
    onEnd: listener => subscribe(events, 'end', listener),
    get ended() {
      return ended
    },
    end: () => {
      if (ended) return
      ended = true
      fs.closeSync(fd)
      events.emit('end')
    }
  }
}

function subscribe<Arguments extends unknown[]>(
  events: EventEmitter,
  name: string,
  listener: (...values: Arguments) => void
): () => void {
  events.on(name, listener as (...values: unknown[]) => void)
  return () => events.off(name, listener as (...values: unknown[]) => void)
}

/** JavaScript knows milliseconds; the monotonic clock supplies the rest, so that lines keep their order. */
function timestamp(): string {
  const now = new Date(performance.timeOrigin + performance.now())
  const micros = Math.floor((performance.now() * 1000) % 1000)
  return now.toISOString().replace('Z', `${String(micros).padStart(3, '0')}000Z`)
}

function readLines(file: string): LogLine[] {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch {
    return [] // nothing set aside so far
  }
  return text.split('\n').flatMap(record => {
    const match = /^(\S+) (stdout|stderr) F (.*)$/s.exec(record)
    return match === null ? [] : [{ time: match[1]!, stream: match[2] as LogLine['stream'], text: match[3]! }]
  })
}
