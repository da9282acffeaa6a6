import os from 'node:os'
import { type KubernetesClient, nodes } from '@culvert/kubernetes'
import type { LabNode } from '../node/node.ts'
import { apiTime } from './container-record.ts'

/** Announces the node, ready, with its addresses and pod network. */
export async function registerNode(client: KubernetesClient, node: LabNode): Promise<void> {
  const now = apiTime(new Date())
  const capacity = { cpu: '2', memory: '4Gi', pods: '110', 'ephemeral-storage': '10Gi' }
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  await client.create(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      labels: {
        'kubernetes.io/hostname': node.name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': arch,
        'topology.kubernetes.io/region': 'lab',
        'topology.kubernetes.io/zone': `lab-${node.plan.number}`
      }
    },
    spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr], providerID: `culvert://lab/${node.name}` }
  })
  const holds = (type: string, status: 'True' | 'False', reason: string) => ({
    type,
    status,
    reason,
    message: '',
    lastHeartbeatTime: now,
    lastTransitionTime: now
  })
  const status = {
    addresses: [
      { type: 'InternalIP', address: node.ip },
      { type: 'Hostname', address: node.name }
    ],
    capacity,
    allocatable: capacity,
    conditions: [
      holds('Ready', 'True', 'KubeletReady'),
      holds('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
      holds('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
      holds('PIDPressure', 'False', 'KubeletHasSufficientPID')
    ],
    nodeInfo: {
      kernelVersion: os.release(),
      osImage: os.version(),
      operatingSystem: 'linux',
      architecture: arch,
      kubeletVersion: 'v1.34.0-culvert-lab',
      containerRuntimeVersion: 'culvert://lab'
    }
  }
  await client.patch(nodes, { name: node.name }, { status }, { type: 'merge', subresource: 'status' })
}
