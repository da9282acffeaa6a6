import path from 'node:path'
import { type Netns, openNetns, sameNetns } from '@culvert/netns'
import { NodeAgentError, reasonOf } from '../errors.ts'

/** The node's own network namespace, and namespaces at paths of the node. */
export interface HostNetns {
  readonly netns: Netns
  /** Opens `/host` + path. @throws for what is no network namespace, or is the host's own. */
  openPath(hostPath: string): Netns
  close(): void
}

export function openHostNetns(hostRoot: string): HostNetns {
  const file = path.join(hostRoot, 'proc/1/ns/net')
  let host: Netns
  try {
    host = openNetns(file)
  } catch (error) {
    throw new NodeAgentError('AGENT_START', `cannot reach the node's network namespace: ${reasonOf(error)}`, {
      cause: error
    })
  }
  return {
    netns: host,
    openPath(hostPath) {
      const netns = openNetns(path.join(hostRoot, hostPath))
      if (!sameNetns(netns, host)) return netns
      // The socket is open to everybody on the node; redirecting the node itself would cut it off.
      netns.close()
      throw new NodeAgentError('AGENT_NO_NETNS', `'${hostPath}' is the node's own network namespace`)
    },
    close: () => host.close()
  }
}
