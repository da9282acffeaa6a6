import { mkdirSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { buildDriver, buildFuzzer } from './builds.ts'
import { BuildError, buildDirectory } from './compile.ts'
import { inParallel, run, tail } from '../programs.ts'

/** Each target for so long, one per CPU. What they find is kept beside the corpus. */
export async function fuzz(seconds: number, names: readonly string[]): Promise<boolean> {
  const file = await buildFuzzer()
  const corpus = path.join(buildDirectory, 'corpus')
  const written = await run(await buildDriver('address'), ['--write-seeds', corpus])
  if (written.status !== 0) throw new BuildError(`the seeds cannot be written to ${corpus}:\n${written.output}`)
  const known = written.output
    .trim()
    .split('\n')
    .map(line => line.split(':')[0]!)
  const unknown = names.filter(name => !known.includes(name))
  if (unknown.length > 0) throw new BuildError(`no fuzz target '${unknown.join(', ')}'; known: ${known.join(', ')}`)
  let good = true
  await inParallel(names.length > 0 ? names : known, os.availableParallelism(), async name => {
    const findings = path.join(buildDirectory, 'findings', name)
    mkdirSync(findings, { recursive: true })
    const args = [`-max_total_time=${seconds}`, '-timeout=30', '-rss_limit_mb=2048', '-max_len=4096']
    // CI repeats itself: what it fails at shall be the change's doing. Longer runs elsewhere find what is new.
    if (process.env.CI !== undefined) args.push('-seed=1')
    args.push('-print_final_stats=1', `-artifact_prefix=${findings}/`, path.join(corpus, name))
    const env = { ...process.env, CULVERT_FUZZ_TARGET: name, ASAN_OPTIONS: 'detect_leaks=1' }
    const { status, output, seconds: took } = await run(file, args, { env })
    const executions = /stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? '?'
    const size = readdirSync(path.join(corpus, name)).length
    const sum = `${name}, corpus ${size}, ${executions} executions, ${took.toFixed(0)} s`
    console.log(status === 0 ? `ok: fuzzed ${sum}` : `FAILED: fuzzing ${sum} (${status}):\n${tail(output, 80)}`)
    good = good && status === 0
  })
  return good
}
