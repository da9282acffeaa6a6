import type { WriteStream } from 'node:tty'

/** What the user sees while it runs: one moving line on a terminal, plain lines elsewhere. */
export interface Display {
  /** What is going on within the current step; replaced by the next. */
  status: (text: string) => void
  /** Stays. */
  line: (text?: string) => void
  heading: (text: string) => void
  done: (text: string) => void
  /** The status shown now. */
  current: () => string
  /** Since the start, for people: `12.3 s`. */
  elapsed: () => string
  close: () => void
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'

export function createDisplay(stream: WriteStream | NodeJS.WriteStream, started: number = Date.now()): Display {
  const live = stream.isTTY === true
  let current = ''
  let frame = 0
  const paint = (): void => {
    const text = `${frames[frame++ % frames.length]} ${elapsed()} ${current}`
    stream.write(`\r\x1b[2K${text.slice(0, (stream.columns ?? 80) - 1)}`)
  }
  const timer = live ? setInterval(() => current !== '' && paint(), 100) : undefined
  const elapsed = (): string => `${((Date.now() - started) / 1000).toFixed(1).padStart(5)} s`
  const bold = (text: string): string => (live ? `\x1b[1m${text}\x1b[0m` : text)
  const print = (text: string): void => {
    stream.write(`${live ? '\r\x1b[2K' : ''}${text}\n`)
  }
  return {
    status: text => {
      current = text
      if (live) paint()
    },
    line: (text = '') => print(text),
    heading: text => print(`\n${elapsed()}  ${bold(text)}`),
    current: () => current,
    elapsed: () => elapsed().trim(),
    done: text => {
      current = ''
      print(`         ${text}`)
    },
    close: () => {
      clearInterval(timer)
      if (live) stream.write('\r\x1b[2K')
    }
  }
}
