import { createMetrics } from '@culvert/telemetry'
import type { InstallResult } from '../install/index.ts'
import type { EventType } from '../pods/pod-controller.ts'

/** docs/spec/cni.md 5. */
export interface AgentMetrics {
  readonly installed: (result: InstallResult) => void
  readonly installReady: (ready: boolean) => void
  readonly pluginAnswered: (status: number) => void
  readonly reconciled: (type: EventType) => void
  readonly ztunnelsConnected: (count: number) => void
  readonly render: () => string
}

export function createAgentMetrics(): AgentMetrics {
  const metrics = createMetrics()
  const installs = metrics.counter({
    name: 'istio_cni_installs_total',
    help: 'Total number of CNI plugins installed by the Istio CNI installer',
    labels: ['result']
  })
  const installReady = metrics.gauge({
    name: 'istio_cni_install_ready',
    help: 'Whether the CNI plugin installation is ready or not'
  })
  const requests = metrics.counter({
    name: 'istio_cni_plugin_requests_total',
    help: 'Requests of the CNI plugin, by the code they were answered with',
    labels: ['response_code']
  })
  const events = metrics.counter({
    name: 'nodeagent_reconcile_events_total',
    help: 'Events of pods and namespaces that were handled, retries included',
    labels: ['type']
  })
  const connected = metrics.gauge({ name: 'ztunnel_connected', help: 'Number of connections to ztunnel' })
  installReady.set(0)
  connected.set(0)
  return {
    installed: result => installs.add(1, [['result', result]]),
    installReady: ready => installReady.set(ready ? 1 : 0),
    pluginAnswered: status => requests.add(1, [['response_code', String(status)]]),
    reconciled: type => events.add(1, [['type', type]]),
    ztunnelsConnected: count => connected.set(count),
    render: () => metrics.render('prometheus')
  }
}
