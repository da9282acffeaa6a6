import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { KubernetesClient } from '@culvert/kubernetes'
import { createLog, type HttpServer, type Log, type LogOptions } from '@culvert/telemetry'
import { createInstaller, shouldCleanUp } from '../install/index.ts'
import { createAgentMetrics } from '../monitoring/agent-metrics.ts'
import { type AgentReadiness, createMonitoring } from '../monitoring/http-servers.ts'
import { startPluginLog } from '../plugin-log.ts'
import type { AgentSettings } from '../settings/agent-settings.ts'
import { type AmbientAgent, removeAmbientHostState, startAmbientAgent } from './ambient-agent.ts'
import { askForDaemonSet } from './daemon-set.ts'

export interface NodeAgentOptions {
  readonly settings: AgentSettings
  readonly client: KubernetesClient
  readonly log: LogOptions
}

/**
 * The whole agent: health and metrics, ambient enrolment, and last the installer, so that the plugin is put in place
 * only once its questions can be answered. Resolves when the signal aborted and everything is stopped and, if this
 * agent has no successor, cleaned up; rejects when something it cannot do without fails, after the same steps.
 */
export async function runNodeAgent(
  { settings, client, log: logOptions }: NodeAgentOptions,
  { signal }: { signal: AbortSignal }
): Promise<void> {
  const logs: Log = createLog(logOptions)
  const log = logs.scope('install')
  const metrics = createAgentMetrics()
  const readiness: AgentReadiness = { install: false, watch: !settings.ambient }
  const monitoring = createMonitoring({ ...settings, readiness, metrics, log: logs.scope('default') })
  const installer = createInstaller({
    settings: settings.install,
    log,
    onResult: metrics.installed,
    onReady: ready => {
      readiness.install = ready
      metrics.installReady(ready)
    }
  })

  let pluginLog: { close: () => Promise<void> } | undefined
  let ambient: AmbientAgent | undefined
  const servers = [monitoring.metrics, monitoring.health].filter(server => server !== undefined)
  const running: HttpServer[] = []
  try {
    pluginLog = await startPluginLog({
      socketPath: path.join(settings.runDir, 'log.sock'),
      log: logOptions,
      onInvalid: message => logs.scope('cni-plugin').warn(message)
    })
    for (const server of servers) {
      await server.start()
      running.push(server)
    }
    if (settings.ambient) {
      ambient = await startAmbientAgent({ settings, client, metrics, log: logs }, { signal })
      readiness.watch = true
    }
    await installer.run({ signal })
  } catch (error) {
    // Being told to stop is the ordinary end of all of these.
    if (!signal.aborted) throw error
  } finally {
    await ambient?.stop()
    await pluginLog?.close()
    await cleanUp()
    for (const server of running) await server.drain({ deadline: AbortSignal.timeout(500) })
  }

  async function cleanUp(): Promise<void> {
    const clean = await shouldCleanUp({
      ambient: settings.ambient,
      safeUpgradeDisabled: settings.safeUpgradeDisabled,
      ownConfigSetting: settings.install.ownConfigSetting,
      ask: async () => {
        const answer = await askForDaemonSet(client, settings)
        log.info(`DaemonSet of this agent: ${answer.kind === 'failed' ? answer.error.message : answer.kind}`)
        return answer
      },
      pause: milliseconds => pause(milliseconds)
    })
    if (!clean) return log.info('a successor is expected: configuration, plugin, rules and sets stay')
    log.info('cleaning up: this node has no agent any more')
    if (settings.ambient) await removeAmbientHostState(settings, logs)
    installer.cleanUp()
  }
}
