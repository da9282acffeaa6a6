import type { CommandResult } from '@culvert/lab'
import { BenchError } from '../errors.ts'

/** The output of a program that ended well. @throws BenchError BENCH_REFUSED */
export function succeed([program]: readonly string[], { code, stdout, stderr }: CommandResult): string {
  if (code === 0) return stdout
  throw new BenchError('BENCH_REFUSED', `${program} ended with ${code}: ${(stderr || stdout).trim().slice(0, 500)}`)
}
