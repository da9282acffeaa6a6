#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { IptablesError } from '@culvert/iptables'
import { createKubernetesClient, KubernetesError, loadClusterAccess } from '@culvert/kubernetes'
import { NetnsError } from '@culvert/netns'
import { createLineWriter, createLog, type LogFilter, parseScopeLevels, TelemetryError } from '@culvert/telemetry'
import { NodeAgentError } from './errors.ts'
import { runNodeAgent } from './node/node-agent.ts'
import { type AgentSettings, readSettings } from './settings/agent-settings.ts'

const environment = { get: (name: string): string | undefined => process.env[name] }
// In the checkout; Istio's image has /opt/cni/bin, named by CULVERT_CNI_BINARIES.
const pluginExecutable = fileURLToPath(new URL('../../cni-plugin/build/istio-cni', import.meta.url))

// Writes to a pipe, a file or a terminal are synchronous on Linux, so nothing is lost at exit.
const lines = createLineWriter(text => void process.stdout.write(text))

async function main(): Promise<void> {
  const read = readSettings(process.argv.slice(2), environment, { binaries: pluginExecutable })
  const filter = parseScopeLevels(read.logOutputLevel)
  const settings = withPluginLogLevel(read, filter)
  const logOptions = { style: 'go', json: settings.logAsJson, filter, write: lines.write } as const
  const log = createLog(logOptions).scope('default')
  for (const flag of settings.ignoredFlags) log.warn(`flag --${flag} has no effect here`)
  const client = createKubernetesClient(await loadClusterAccess(environment))
  log.info(`node agent of ${settings.nodeName}: ambient ${settings.ambient}, API server ${client.server}`)

  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info(`received ${signal}`)
      stop.abort(new Error(`received ${signal}`))
    })
  }
  await runNodeAgent({ settings, client, log: logOptions }, { signal: stop.signal })
  client.close()
  log.info('stopped')
  lines.flush()
  process.exit(0)
}

/** The plugin's lines are re-logged under scope cni-plugin: what that scope drops need not be sent. */
function withPluginLogLevel(settings: AgentSettings, filter: LogFilter): AgentSettings {
  const threshold = filter.threshold('cni-plugin')
  const logLevel = threshold === 'off' ? 'none' : threshold === 'trace' ? 'debug' : threshold
  const { install } = settings
  return { ...settings, install: { ...install, plugin: { ...install.plugin, logLevel } } }
}

const knownErrors = [NodeAgentError, IptablesError, NetnsError, KubernetesError, TelemetryError]

main().catch((error: unknown) => {
  const known = knownErrors.some(kind => error instanceof kind)
  lines.flush()
  process.stderr.write(
    `node-agent: ${known ? (error as Error).message : error instanceof Error ? error.stack : String(error)}\n`
  )
  process.exit(1)
})
