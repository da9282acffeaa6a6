import type { HttpServer, Logger } from '@culvert/telemetry'
import { afterEach, expect, it } from 'vitest'
import { createAgentMetrics } from './agent-metrics.ts'
import { createMonitoring } from './http-servers.ts'

const log = { info() {}, warn() {}, error() {}, debug() {} } as unknown as Logger
const running: HttpServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.drain({ deadline: AbortSignal.timeout(100) })
})

async function start(server: HttpServer): Promise<(path: string) => Promise<[number, string]>> {
  const [bound] = await server.start()
  running.push(server)
  return async path => {
    const response = await fetch(`http://127.0.0.1:${bound!.port}${path}`)
    return [response.status, await response.text()]
  }
}

it('[cni-23] [observability-dns-29] is ready only when plugin and watch are', async () => {
  const readiness = { install: true, watch: false }
  const { health } = createMonitoring({
    readiness,
    healthPort: 0,
    monitoringPort: 0,
    metrics: { render: () => '' },
    log
  })
  const get = await start(health)
  expect(await get('/readyz')).toEqual([503, 'Service Unavailable\n'])
  expect((await get('/healthz'))[0]).toBe(200)
  readiness.watch = true
  expect((await get('/readyz'))[0]).toBe(200)
  readiness.install = false
  expect((await get('/readyz'))[0]).toBe(503)
  expect((await get('/other'))[0]).toBe(404)
})

it('shows the metrics under their names', () => {
  const metrics = createAgentMetrics()
  metrics.installed('SUCCESS')
  metrics.installReady(true)
  metrics.pluginAnswered(200)
  metrics.pluginAnswered(500)
  metrics.reconciled('add')
  metrics.reconciled('update')
  metrics.ztunnelsConnected(2)
  const lines = metrics
    .render()
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  expect(lines.toSorted()).toEqual([
    'istio_cni_install_ready 1',
    'istio_cni_installs_total{result="SUCCESS"} 1',
    'istio_cni_plugin_requests_total{response_code="200"} 1',
    'istio_cni_plugin_requests_total{response_code="500"} 1',
    'nodeagent_reconcile_events_total{type="add"} 1',
    'nodeagent_reconcile_events_total{type="update"} 1',
    'ztunnel_connected 2'
  ])
})
