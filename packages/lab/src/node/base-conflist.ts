import type { NodePlan } from '../fabric/network-plan.ts'

/** The network configuration a node starts with: Debian's bridge and host-local, the latter keeping its state in the node. */
export function baseConflist(plan: NodePlan): object {
  return {
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        // A pod may reach itself through a service: the frame goes back out of the port it came from.
        hairpinMode: true,
        mtu: 1500,
        ipam: {
          type: 'host-local',
          dataDir: '/run/cni/networks',
          ranges: [[{ subnet: plan.podCidr, gateway: plan.podGateway }]],
          routes: [{ dst: '0.0.0.0/0' }]
        }
      }
    ]
  }
}
