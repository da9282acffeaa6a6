import { type Cluster } from '@culvert/lab'
import { pods } from '@culvert/kubernetes'
import { type Netns, run } from '@culvert/netns'
import { BenchError } from '../errors.ts'

/** Sets it in every namespace that the cluster has now. They go with the cluster: there is nothing to restore. */
export async function setCongestionControl(cluster: Cluster, name: string): Promise<void> {
  const set = (netns: Netns): Promise<void> => setSysctl(netns, 'net.ipv4.tcp_congestion_control', name)
  await set(cluster.fabric)
  for (const node of cluster.nodes) await set(node.netns)
  for (const { metadata, status } of (await cluster.client.list(pods)).items) {
    if (status?.phase !== 'Running') continue
    using netns = cluster.pods.netns({ namespace: metadata!.namespace, name: metadata!.name! })
    await set(netns)
  }
}

export async function setSysctl(netns: Netns, name: string, value: string): Promise<void> {
  const { code, stderr } = await run(netns, 'sysctl', ['-qw', `${name}=${value}`])
  if (code !== 0) throw new BenchError('BENCH_SETUP', `${name} cannot be set to '${value}': ${stderr.trim()}`)
}
