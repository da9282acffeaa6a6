import type { World } from './world.ts'
import { pods } from '@culvert/kubernetes'

/** The node proxy's pod on a node. */
async function ztunnelOn({ cluster }: World, node: string): Promise<{ namespace: string; name: string }> {
  const query = { namespace: 'istio-system', labelSelector: 'app=ztunnel', fieldSelector: `spec.nodeName=${node}` }
  const { items } = await cluster.client.list(pods, query)
  return { namespace: 'istio-system', name: items[0]!.metadata!.name! }
}

/** Access-log lines of the node proxy on `node` that hold every given text. */
export async function accessLines(world: World, node: string, ...texts: readonly string[]): Promise<string[]> {
  const log = await world.cluster.pods.logs(await ztunnelOn(world, node))
  return log.split('\n').filter(line => line.includes('\taccess\t') && texts.every(text => line.includes(text)))
}

/** One field of a text log line, without its quotes. */
export function field(line: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[\\s])${name.replaceAll('.', '\\.')}=("(?:[^"\\\\]|\\\\.)*"|\\S+)`).exec(line)
  return match?.[1]?.replace(/^"|"$/g, '')
}
