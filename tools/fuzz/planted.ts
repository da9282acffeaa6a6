import path from 'node:path'
import type { FuzzTarget } from '../../packages/testing/src/index.ts'
import { fuzz } from './fuzz.ts'

const seeds = [Buffer.from('a seed')]

/** Three steps, of which chance takes no two at once: found only by who keeps what led to the first. */
function stepByStep(input: Buffer): number {
  let steps = 0
  if (input[0] === 0xb0) {
    steps = 1
    if (input[1] === 0x06) {
      steps = 2
      if (input[2] === 0x5e) steps = 3
    }
  }
  return steps
}

const hoard: Buffer[][] = []

/** Readers with a defect each, and what the fuzzer has to say of it. */
const defects: readonly { readonly run: (input: Buffer) => void; readonly name: string; readonly finding: RegExp }[] = [
  {
    name: 'planted-throw',
    run: input => {
      if (stepByStep(input) === 3) throw new Error('planted')
    },
    finding: /Error: planted/
  },
  {
    name: 'planted-loop',
    run: input => {
      while (input.length > 6);
    },
    finding: /still runs after/
  },
  {
    name: 'planted-slow',
    run: input => {
      const end = process.threadCpuUsage().user + 300_000
      while (input.length > 6 && process.threadCpuUsage().user < end);
    },
    finding: /µs of CPU time/
  },
  {
    name: 'planted-hoard',
    run: () => {
      hoard.push([Buffer.alloc(100_000)])
    },
    finding: /octets more in use/
  }
]

export const targets: readonly FuzzTarget[] = defects.map(({ name, run }) => ({
  name,
  seeds,
  run: input => {
    run(input)
    return true
  }
}))

/** Whether the fuzzer finds what is there to be found. */
export async function checkPlanted(): Promise<boolean> {
  let good = true
  for (const { name, finding } of defects) {
    const file = path.join(import.meta.dirname, 'planted.ts')
    const { findings, line } = await fuzz({ name, file, seconds: 60, seed: 1, hangMs: 3_000, maxFindings: 1 })
    const isFound = findings.some(each => finding.test(each))
    console.log(isFound ? `ok: found ${name}` : `FAILED: did not find ${name} (${line})\n${findings.join('\n')}`)
    good &&= isFound
  }
  return good
}
