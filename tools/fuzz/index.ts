// npm run fuzz: our TypeScript readers of untrusted bytes, against inputs made by mutation and guided by coverage.
//   npm run fuzz                                    every target for 20 s, after some with planted defects
//   npm run fuzz -- --seconds N [TARGET…]           the corpus is kept in build/fuzz/corpus, findings in build/fuzz/findings
//   npm run fuzz -- --replay FILE TARGET            one input, with what becomes of it
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { inParallel } from '../programs.ts'
import { findTargets, loadTarget } from './find-targets.ts'
import { fuzz } from './fuzz.ts'
import { checkPlanted } from './planted.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '20' }, seed: { type: 'string' }, replay: { type: 'string' } }
})
process.exitCode = (await main()) ? 0 : 1

async function main(): Promise<boolean> {
  const known = await findTargets()
  const unknown = names.filter(name => !known.has(name))
  if (unknown.length > 0)
    return refuse(`no fuzz target '${unknown.join(', ')}'; known: ${[...known.keys()].join(', ')}`)
  if (options.replay !== undefined) return await replay(options.replay, known)

  const seconds = Number(options.seconds)
  if (!(seconds > 0)) return refuse(`--seconds must be a number above 0, not '${options.seconds}'`)
  // CI repeats itself: what it fails at shall be the change's doing. Longer runs elsewhere find what is new.
  const seed = Number(options.seed ?? (process.env.CI === undefined ? Date.now() % 2 ** 32 : 1))
  if (!Number.isSafeInteger(seed)) return refuse(`--seed must be a whole number, not '${options.seed}'`)
  // For the leak check of the workers, which share the flags of the process.
  setFlagsFromString('--expose-gc')
  let good = names.length > 0 || (await checkPlanted())
  await inParallel(names.length > 0 ? names : [...known.keys()], os.availableParallelism(), async name => {
    const { findings, line } = await fuzz({ name, file: known.get(name)!, seconds, seed })
    console.log(findings.length === 0 ? `ok: fuzzed ${line}` : `FAILED: fuzzing ${line}\n${findings.join('\n')}`)
    good &&= findings.length === 0
  })
  return good
}

async function replay(input: string, known: ReadonlyMap<string, string>): Promise<boolean> {
  const [name] = names
  if (name === undefined || names.length > 1) return refuse('--replay takes one target')
  const target = await loadTarget(name, known.get(name)!)
  console.log((await target.run(readFileSync(input))) ? 'taken' : 'refused')
  return true
}

function refuse(message: string): false {
  console.error(`culvert: ${message}`)
  return false
}
