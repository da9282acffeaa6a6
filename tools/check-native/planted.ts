// A check that cannot fail shows nothing: bugs on purpose, which each job must find.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildDriver, buildFuzzer, type Sanitizer } from './builds.ts'
import { sanitized } from './driver.ts'
import { run, tail } from '../programs.ts'

const planted: readonly [sanitizer: Sanitizer, test: string, report: RegExp][] = [
  ['address', 'planted: overflow', /AddressSanitizer: heap-buffer-overflow/],
  ['address', 'planted: use after free', /AddressSanitizer: heap-use-after-free/],
  ['address', 'planted: leak', /LeakSanitizer: detected memory leaks/],
  ['address', 'planted: undefined', /runtime error: signed integer overflow/],
  ['thread', 'planted: race', /ThreadSanitizer: data race/]
]

export async function checkPlanted(): Promise<boolean> {
  let good = true
  for (const [sanitizer, test, expected] of planted) {
    const file = await buildDriver(sanitizer, true)
    const { status, output } = await run(file, [test], { env: sanitized })
    good = says(`${test}, under the ${sanitizer} sanitizer`, status, output, expected) && good
  }
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-planted-'))
  try {
    const env = { ...sanitized, CULVERT_FUZZ_TARGET: 'planted' }
    const { status, output } = await run(await buildFuzzer(true), ['-max_total_time=60'], { cwd: directory, env })
    good = says('planted: behind three bytes, by fuzzing', status, output, /heap-buffer-overflow/) && good
  } finally {
    rmSync(directory, { recursive: true })
  }
  return good
}

/** Found means: it failed, and for this reason. */
export function says(name: string, status: number | string, output: string, expected: RegExp): boolean {
  const found = status !== 0 && expected.test(output)
  console.log(
    found ? `ok: found, as it must be: ${name}` : `FAILED: not found (${status}): ${name}\n${tail(output, 40)}`
  )
  return found
}
