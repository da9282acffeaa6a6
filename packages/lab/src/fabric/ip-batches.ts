import { fabricMac, type NetworkPlan, type NodePlan } from './network-plan.ts'

/** Name of the bridge in the fabric: every frame between two nodes passes it. */
export const fabricBridge = 'fabric0'

/** `ip -batch` input for the fabric's namespace; `nodePids` are processes in the nodes' network namespaces. */
export function fabricBatch(plan: NetworkPlan, nodePids: ReadonlyMap<string, number>): string {
  const lines = [
    'link set lo up',
    `link add ${fabricBridge} address ${fabricMac} mtu 1500 type bridge stp_state 0 forward_delay 0`,
    `address add ${plan.fabricIp}/24 dev ${fabricBridge}`,
    `link set ${fabricBridge} up`
  ]
  for (const node of plan.nodes) {
    const port = `node${node.number}`
    lines.push(
      `link add ${port} mtu 1500 type veth peer name eth0 address ${node.mac} mtu 1500 netns ${nodePids.get(node.name)}`,
      `link set ${port} master ${fabricBridge} up`,
      `route add ${node.podCidr} via ${node.ip}`
    )
  }
  return `${lines.join('\n')}\n`
}

/** `ip -batch` input for a node's namespace, after the fabric's. */
export function nodeBatch(plan: NetworkPlan, node: NodePlan): string {
  const lines = [
    'link set lo up',
    `address add ${node.ip}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${plan.fabricIp}`,
    // The bridge plugin adopts a bridge that is there already, and so its address.
    `link add cni0 address ${node.podBridgeMac} mtu 1500 type bridge stp_state 0 forward_delay 0`,
    `address add ${node.podGateway}/24 dev cni0`,
    'link set cni0 up'
  ]
  for (const other of plan.nodes) {
    if (other.number !== node.number) lines.push(`route add ${other.podCidr} via ${other.ip}`)
  }
  return `${lines.join('\n')}\n`
}

/** Files below /proc/sys/net, as a kubelet's host has them. */
export const nodeSysctls: Readonly<Record<string, string>> = {
  'ipv4/ip_forward': '1',
  // What pods of one node send each other passes netfilter too: without it the answer of a service's endpoint on
  // the same bridge would never be translated back.
  'bridge/bridge-nf-call-iptables': '1',
  // Strict reverse-path filtering would drop probes whose source address the mesh rewrites.
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0'
}
