import { buildDriver, type Sanitizer } from './builds.ts'
import { type Finished, run, tail } from '../programs.ts'

/** Reports end in the exit status that the driver has for a failed test, too. */
export const sanitized: NodeJS.ProcessEnv = {
  ...process.env,
  ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1'
}

/** The whole suite, with a line for it. */
export async function checkDriver(sanitizer: Sanitizer): Promise<boolean> {
  const file = await buildDriver(sanitizer)
  return report(`native driver under the ${sanitizer} sanitizer`, await run(file, [], { env: sanitized }))
}

/** With what it says about every test. */
export async function driver(sanitizer: Sanitizer, args: readonly string[]): Promise<boolean> {
  const file = await buildDriver(sanitizer)
  return report(
    `native driver under the ${sanitizer} sanitizer`,
    await run(file, args, { env: sanitized, echo: line => /^(ok|FAILED|CULVERT_SEED)/.test(line) })
  )
}

function report(name: string, { status, output, seconds }: Finished): boolean {
  const good = status === 0
  const last = good ? `, ${tail(output, 1)}` : ` (${status}):\n${tail(output, 120)}`
  console.log(`${good ? 'ok' : 'FAILED'}: ${name}, ${seconds.toFixed(0)} s${last}`)
  return good
}
