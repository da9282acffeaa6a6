import { readFileSync } from 'node:fs'

/** Bytes. */
export interface Memory {
  /** Pages shared between processes count in parts: proportional set size. */
  readonly proportional: number
  /** What nobody shares. */
  readonly private: number
  /** All pages of the process, as if nobody else had them. */
  readonly resident: number
}

/** From the text of /proc/PID/smaps_rollup. */
export function memoryFromRollup(text: string): Memory {
  const bytes = (name: string): number => {
    const [, kilobytes] = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text) ?? []
    if (kilobytes === undefined) throw new Error(`smaps_rollup has no line ${name}`)
    return Number(kilobytes) * 1024
  }
  return {
    proportional: bytes('Pss'),
    private: bytes('Private_Clean') + bytes('Private_Dirty'),
    resident: bytes('Rss')
  }
}

/** Of these processes together. */
export function memoryOf(pids: readonly number[]): Memory {
  const each = pids.map(pid => memoryFromRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')))
  const sum = (of: (memory: Memory) => number): number => each.reduce((total, memory) => total + of(memory), 0)
  return {
    proportional: sum(memory => memory.proportional),
    private: sum(memory => memory.private),
    resident: sum(memory => memory.resident)
  }
}

/** Resident pages of these processes, those that they share in full, cheap enough to be asked often; 0 for one that has ended. */
export function residentBytes(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) {
    try {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      sum += Number(kilobytes ?? 0) * 1024
    } catch (error) {
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return sum
}
