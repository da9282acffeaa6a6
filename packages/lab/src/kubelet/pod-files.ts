import type { V1Pod } from '@culvert/kubernetes'
import type { NetworkPlan } from '../fabric/network-plan.ts'

/** /etc/hostname, /etc/hosts and /etc/resolv.conf of a pod's containers. */
export function podFiles(
  pod: V1Pod,
  plan: NetworkPlan,
  addresses: readonly string[],
  hostname: string
): Record<string, string> {
  return {
    '/etc/hostname': `${hostname}\n`,
    '/etc/hosts': hostsFile(pod, plan, addresses, hostname),
    '/etc/resolv.conf': resolvConf(pod, plan)
  }
}

/** The name a container has for itself: a host-network pod is its node. */
export function podHostname(pod: V1Pod, nodeName: string): string {
  if (pod.spec?.hostNetwork) return nodeName
  // 63 is what the kernel and DNS allow; kubelets cut the pod's name the same way.
  return (pod.spec?.hostname ?? pod.metadata!.name!).slice(0, 63).replace(/[-.]+$/, '')
}

function hostsFile(pod: V1Pod, plan: NetworkPlan, addresses: readonly string[], hostname: string): string {
  const subdomain = pod.spec?.subdomain
  const names = subdomain
    ? [`${hostname}.${subdomain}.${pod.metadata!.namespace}.svc.${plan.clusterDomain}`, hostname]
    : [hostname]
  const lines = [
    '# Written by the lab.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...addresses.map(address => `${address}\t${names.join('\t')}`),
    ...(pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  ]
  return `${lines.join('\n')}\n`
}

/** What a node itself uses: the cluster's DNS without search domains, since nodes have no way out of the fabric. */
export function nodeResolvConf(plan: NetworkPlan): string {
  return `nameserver ${plan.fabricIp}\n`
}

export function resolvConf(pod: V1Pod, plan: NetworkPlan): string {
  const { dnsConfig } = pod.spec ?? {}
  const policy = effectivePolicy(pod)
  const cluster = policy === 'ClusterFirst'
  const { clusterDomain } = plan
  const nameservers = [
    ...(cluster ? [plan.dnsIp] : []),
    ...(policy === 'Default' ? [plan.fabricIp] : []),
    ...(dnsConfig?.nameservers ?? [])
  ]
  const searches = [
    ...(cluster ? [`${pod.metadata!.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] : []),
    ...(dnsConfig?.searches ?? [])
  ]
  const own = (dnsConfig?.options ?? []).map(({ name, value }) => (value === undefined ? name! : `${name}:${value}`))
  const options = [...(cluster && !own.some(option => option.startsWith('ndots:')) ? ['ndots:5'] : []), ...own]
  const lines = [
    ...(searches.length > 0 ? [`search ${[...new Set(searches)].join(' ')}`] : []),
    ...[...new Set(nameservers)].map(ip => `nameserver ${ip}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : [])
  ]
  return `${lines.join('\n')}\n`
}

/** ClusterFirst on the node's network means the node's own resolver; ClusterFirstWithHostNet is for those that mean it. */
function effectivePolicy(pod: V1Pod): 'ClusterFirst' | 'Default' | 'None' {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'ClusterFirstWithHostNet') return 'ClusterFirst'
  if (policy === 'ClusterFirst') return pod.spec?.hostNetwork ? 'Default' : 'ClusterFirst'
  return policy === 'None' ? 'None' : 'Default'
}
