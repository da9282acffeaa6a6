// npm run bench -- NAME: the benchmarks, each beside the program it measures.
import { existsSync } from 'node:fs'
import path from 'node:path'

const benches: Record<string, string> = {
  cni: 'apps/cni-plugin/bench/cni.bench.ts'
}

const [name, ...flags] = process.argv.slice(2)
const file =
  name === undefined || !Object.hasOwn(benches, name) ? undefined : path.join(import.meta.dirname, '..', benches[name]!)
if (file === undefined || !existsSync(file)) {
  console.error(`npm run bench -- NAME [--json], with NAME one of: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
const { bench } = (await import(file)) as { bench: (options: { json: boolean }) => Promise<void> }
await bench({ json: flags.includes('--json') })
