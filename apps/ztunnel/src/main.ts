import { existsSync, readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { availableParallelism } from 'node:os'
import { createLineWriter, createLog } from '@culvert/telemetry'
import { versionView } from './admin/config-dump.ts'
import { startZtunnel } from './node/ztunnel.ts'
import { readSettings } from './settings/settings.ts'

const help = `Usage: ztunnel [COMMAND]

Commands:
  proxy    run the node proxy (default); further arguments are ignored
  version  print the version
  help     print this text
`

/** Undefined when there is no such file; any other failure is a failure. */
function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

async function runProxy(): Promise<void> {
  // Node would write it at the end, and proxies are also killed: a start without it takes 20 MB more, for good.
  flushCompileCache()
  const settings = readSettings(
    { get: name => process.env[name], names: () => Object.keys(process.env) },
    { exists: existsSync, read: readIfThere, cpus: availableParallelism() }
  )
  const writer = createLineWriter(text => process.stdout.write(text))
  const exit = (status: number): never => {
    writer.flush()
    process.exit(status)
  }
  process.on('exit', writer.flush)
  // Nobody reads the log any more: go on without it.
  process.stdout.on('error', () => undefined)
  const log = createLog({ style: 'ztunnel', json: settings.log.json, filter: settings.log.filter, write: writer.write })
  const app = log.scope('ztunnel::app')

  const ztunnel = await startZtunnel({
    settings,
    log,
    files: { resolvConf: readIfThere('/etc/resolv.conf') ?? '', hosts: readIfThere('/etc/hosts') ?? '' },
    onFatal: error => {
      app.error('cannot go on', { error: error.message })
      exit(1)
    },
    onQuit: () => void shutDown('/quitquitquit')
  })

  async function shutDown(reason: string): Promise<void> {
    app.info('shutting down', { reason })
    await ztunnel.stop()
    app.info('shutdown completed')
    exit(0)
  }

  let interrupted = false
  process.on('SIGTERM', () => void shutDown('SIGTERM'))
  process.on('SIGINT', () => {
    if (interrupted) exit(0)
    interrupted = true
    void shutDown('SIGINT')
  })
}

const [command = 'proxy'] = process.argv.slice(2)
switch (command) {
  case 'proxy':
    await runProxy().catch((error: unknown) => {
      process.stderr.write(`ztunnel: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exit(1)
    })
    break
  case 'version':
    process.stdout.write(`${JSON.stringify(versionView(process.env.ISTIO_META_ISTIO_VERSION ?? 'unknown'))}\n`)
    break
  case 'help':
  case '--help':
    process.stdout.write(help)
    break
  default:
    process.stderr.write(help)
    process.exitCode = 1
}
