import type { KubernetesClient, KubernetesObject } from '@culvert/kubernetes'
import type { NetworkPlan } from '../fabric/network-plan.ts'

/** Cluster DNS as an ordinary service; the API server publishes its own. */
function systemObjects(plan: NetworkPlan): KubernetesObject[] {
  const ports = ['UDP', 'TCP'].map(protocol => ({
    name: protocol === 'UDP' ? 'dns' : 'dns-tcp',
    protocol,
    port: 53
  }))
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'kube-system', name: 'kube-dns', labels: { 'k8s-app': 'kube-dns' } },
    // Without a selector: nobody but us makes the endpoints.
    spec: { type: 'ClusterIP', clusterIP: plan.dnsIp, ports }
  }
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'kube-system',
      name: 'kube-dns',
      labels: { 'kubernetes.io/service-name': 'kube-dns' }
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [plan.fabricIp], conditions: { ready: true } }],
    ports
  }
  return [service, slice]
}

export async function createSystemObjects(client: KubernetesClient, plan: NetworkPlan): Promise<void> {
  for (const object of systemObjects(plan)) await client.applyManifest(object)
}
