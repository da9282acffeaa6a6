import type { KubernetesClient, KubernetesObject } from '@culvert/kubernetes'
import type { NetworkPlan } from '../fabric/network-plan.ts'

/** The services every cluster has: the API server's and DNS's, both served at the fabric's address. */
export function systemObjects(plan: NetworkPlan): KubernetesObject[] {
  const address = { addresses: [plan.fabricIp], conditions: { ready: true, serving: true, terminating: false } }
  const https = { name: 'https', protocol: 'TCP', port: 443, targetPort: plan.apiServerPort }
  const dns = ['UDP', 'TCP'].map(protocol => ({
    name: protocol === 'UDP' ? 'dns' : 'dns-tcp',
    protocol,
    port: 53,
    targetPort: 53
  }))
  const slice = (
    namespace: string,
    service: string,
    ports: readonly { name: string; protocol: string; targetPort: number }[]
  ): KubernetesObject =>
    ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace, name: service, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [address],
      ports: ports.map(({ name, protocol, targetPort }) => ({ name, protocol, port: targetPort }))
    }) as KubernetesObject
  const service = (namespace: string, name: string, clusterIP: string, ports: readonly object[]): KubernetesObject =>
    ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name },
      // Without a selector: nobody but us makes the endpoints.
      spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports }
    }) as KubernetesObject
  return [
    service('default', 'kubernetes', plan.kubernetesIp, [https]),
    slice('default', 'kubernetes', [https]),
    service('kube-system', 'kube-dns', plan.dnsIp, dns),
    slice('kube-system', 'kube-dns', dns)
  ]
}

export async function createSystemObjects(client: KubernetesClient, plan: NetworkPlan): Promise<void> {
  for (const object of systemObjects(plan)) await client.applyManifest(object)
}
