// npm run check:native: the tunnel engine under sanitizers, fuzzers and clang-tidy; and proof that each can fail.
//   npm run check:native                                     everything, as CI does
//   npm run check:native -- driver [address|thread] [--for SECONDS] [TEST…]
//   npm run check:native -- fuzz [--seconds N] [TARGET…]     fuzzing alone, the corpus kept in native/tunnel/build/check
//   npm run check:native -- planted | add-on | tidy
import { BuildError } from './compile.ts'
import { checkAddOn } from './add-on.ts'
import { checkDriver, driver } from './driver.ts'
import { fuzz } from './fuzz.ts'
import { checkPlanted } from './planted.ts'
import { tidy } from './tidy.ts'

const [step, ...rest] = process.argv.slice(2)
const begun = performance.now()
const secondsSince = (): string => `${((performance.now() - begun) / 1000).toFixed(0)} s`

try {
  const good = await check()
  console.log(`${good ? 'ok' : 'FAILED'}: check:native ${step ?? ''} after ${secondsSince()}`)
  process.exitCode = good ? 0 : 1
} catch (error) {
  if (!(error instanceof BuildError)) throw error
  console.error(`culvert: ${error.message}`)
  process.exitCode = 1
}

async function check(): Promise<boolean> {
  switch (step) {
    case undefined: {
      const results = [await checkDriver('address'), await checkDriver('thread'), await checkPlanted()]
      results.push(await checkAddOn(), await fuzz(20, []), await tidy())
      return results.every(good => good)
    }
    case 'driver': {
      const [first, ...more] = rest
      if (first === 'address' || first === 'thread') return driver(first, more)
      return (await driver('address', rest)) && (await driver('thread', rest))
    }
    case 'fuzz': {
      const at = rest.indexOf('--seconds')
      const seconds = at < 0 ? 20 : Number(rest[at + 1])
      if (!(seconds > 0)) throw new BuildError(`--seconds must be a number above 0, not '${rest[at + 1] ?? ''}'`)
      return fuzz(seconds, at < 0 ? rest : rest.toSpliced(at, 2))
    }
    case 'planted':
      return checkPlanted()
    case 'add-on':
      return checkAddOn()
    case 'tidy':
      return tidy()
    default:
      throw new BuildError(`check:native has no step '${step}'; known: driver, fuzz, planted, add-on, tidy`)
  }
}
