import { readFileSync } from 'node:fs'

/** Of all processors since the machine started, in ticks. */
export interface ProcessorTime {
  readonly total: number
  /** What a hypervisor gave to others while something here could have run (proc(5), `steal`). */
  readonly stolen: number
}

/** From the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq and steal; guests are in user and nice already. */
export function parseProcessorTime(stat: string): ProcessorTime {
  const ticks = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').slice(0, 8).map(Number)
  return { total: ticks.reduce((sum, count) => sum + count, 0), stolen: ticks[7] ?? 0 }
}

/** Starts to watch; the returned function gives the share of processor time that was stolen since, 0 to 1. */
export function watchStolen(): () => number {
  const now = (): ProcessorTime => parseProcessorTime(readFileSync('/proc/stat', 'utf8'))
  const begun = now()
  return () => {
    const ended = now()
    const total = ended.total - begun.total
    return total === 0 ? 0 : (ended.stolen - begun.stolen) / total
  }
}
