import type { Cluster } from '@culvert/lab'
import { events, pods } from '@culvert/kubernetes'

const lines = 25

/** The last words of every mesh program and the warnings of the cluster, for when a step does not hold. */
export async function programLogs(cluster: Cluster): Promise<string[]> {
  const found: string[] = []
  try {
    for (const { metadata, status } of (await cluster.client.list(pods, { namespace: 'istio-system' })).items) {
      const log = await cluster.pods
        .logs({ namespace: 'istio-system', name: metadata!.name! }, { tailLines: lines })
        .catch((error: Error) => `no log: ${error.message}`)
      found.push(
        `--- istio-system/${metadata!.name} (${status?.phase}), last ${lines} lines`,
        ...log.trimEnd().split('\n')
      )
    }
    const warnings = (await cluster.client.list(events)).items.filter(event => event.type === 'Warning')
    for (const event of warnings.slice(-lines)) {
      found.push(
        `warning: ${event.involvedObject?.namespace}/${event.involvedObject?.name}: ${event.reason}: ${event.message}`
      )
    }
  } catch (error) {
    found.push(`the logs cannot be read: ${(error as Error).message}`)
  }
  return found
}
