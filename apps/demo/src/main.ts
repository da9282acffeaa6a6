import { createDisplay } from './display.ts'
import { runDemo } from './run-demo.ts'
import { readSettings, usage } from './settings.ts'

let settings: ReturnType<typeof readSettings>
try {
  settings = readSettings(process.argv.slice(2))
} catch (error) {
  console.error((error as Error).message)
  process.exit(2)
}
if (settings === 'help') {
  console.log(usage)
  process.exit(0)
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // Asked twice: end at once. The cluster's processes end with us; the next start sweeps its files.
    if (interrupted.signal.aborted) process.exit(130)
    interrupted.abort(new Error(`interrupted by ${signal}`))
  })
}

const display = createDisplay(process.stdout)
process.exitCode = await runDemo(settings, display, interrupted.signal)
display.close()
// Nothing may be left that keeps the process: if something is, say so instead of hanging.
setTimeout(() => {
  console.error(`the demo is done but these keep it alive: ${process.getActiveResourcesInfo().join(', ')}`)
  process.exit(1)
}, 5000).unref()
