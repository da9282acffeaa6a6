import { type Cluster } from '@culvert/lab'
import { pods } from '@culvert/kubernetes'
import { type Netns, run } from '@culvert/netns'
import { BenchError } from '../errors.ts'

/** Sets it in every namespace that the cluster has now. They go with the cluster: there is nothing to restore. */
export async function setCongestionControl(cluster: Cluster, name: string): Promise<void> {
  await set(cluster.fabric, name)
  for (const node of cluster.nodes) await set(node.netns, name)
  for (const { metadata, status } of (await cluster.client.list(pods)).items) {
    if (status?.phase !== 'Running') continue
    using netns = cluster.pods.netns({ namespace: metadata!.namespace, name: metadata!.name! })
    await set(netns, name)
  }
}

async function set(netns: Netns, name: string): Promise<void> {
  const { code, stderr } = await run(netns, 'sysctl', ['-qw', `net.ipv4.tcp_congestion_control=${name}`])
  if (code !== 0) throw new BenchError('BENCH_SETUP', `congestion control ${name} cannot be set: ${stderr.trim()}`)
}
