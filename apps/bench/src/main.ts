import { cases } from './cases/index.ts'
import { BenchError } from './errors.ts'
import { runBench } from './run-bench.ts'
import { readSettings, usage } from './settings.ts'

const known = cases.map(({ name }) => name)
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // Asked twice: end at once. The clusters' processes end with us; the next start sweeps their files.
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort(new Error(`interrupted by ${signal}`))
  })
}

const started = Date.now()
const output = {
  progress: (message: string) => {
    process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${message}\n`)
  },
  print: (text: string) => void process.stdout.write(`${text}\n`)
}

try {
  const settings = readSettings(process.argv.slice(2), known)
  if (settings === 'help') output.print(usage(known))
  else process.exitCode = await runBench(settings, output, interrupted.signal)
} catch (error) {
  const { message, stack } = error as Error
  const expected = error instanceof BenchError || interrupted.signal.aborted
  process.stderr.write(`bench: ${expected ? message : stack}\n`)
  process.exitCode = interrupted.signal.aborted
    ? 130
    : error instanceof BenchError && error.code === 'BENCH_SETTING'
      ? 2
      : 1
}
// Nothing may be left that keeps the process: if something is, say so instead of hanging.
setTimeout(() => {
  process.stderr.write(`bench: done, but these keep it alive: ${process.getActiveResourcesInfo().join(', ')}\n`)
  process.exit(1)
}, 5000).unref()
