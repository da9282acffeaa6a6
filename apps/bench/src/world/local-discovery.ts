import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pods, type V1Pod } from '@culvert/kubernetes'
import type { Cluster, Image } from '@culvert/lab'
import { namespace } from './manifests.ts'

/** A node proxy without a control plane: a local file and the test authority. */
export interface LocalDiscovery extends Disposable {
  /** The image of a proxy that starts so. */
  image(proxy: Image): Image
  /** Writes what the cluster has now; proxies read it when they start. */
  write(cluster: Cluster): Promise<void>
}

const inside = '/etc/bench/local.yaml'

const environment = [
  'XDS_ADDRESS=',
  `LOCAL_XDS_PATH=${inside}`,
  'FAKE_CA=true',
  // Asked for by ours beside it.
  'CULVERT_ALLOW_TEST_CA=true'
]

export function localDiscovery(): LocalDiscovery {
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-bench-'))
  const file = path.join(directory, 'local.yaml')
  writeFileSync(file, '{}\n')
  return {
    // The manifest's environment would win over the image's.
    image: proxy => ({
      ...proxy,
      command: ['env', ...environment, ...proxy.command],
      files: { ...proxy.files, [inside]: file }
    }),
    write: async cluster => {
      const { items } = await cluster.client.list(pods)
      const running = items.filter(({ status }) => status?.podIP !== undefined && status.phase === 'Running')
      writeFileSync(file, `workloads:\n${running.map(workload).join('')}${policies}`)
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true })
  }
}

function workload({ metadata, spec, status }: V1Pod): string {
  const { namespace: own, name, labels } = metadata!
  const enrolled = own === namespace && labels?.['istio.io/dataplane-mode'] !== 'none'
  return `- uid: Kubernetes//Pod/${own}/${name}
  name: ${name}
  namespace: ${own}
  serviceAccount: ${spec!.serviceAccountName ?? 'default'}
  trustDomain: cluster.local
  clusterId: Kubernetes
  workloadIps:
  - ${status!.podIP}
  protocol: ${enrolled ? 'HBONE' : 'TCP'}
  node: ${spec!.nodeName}
  services: {}
${labels?.app === 'server' ? `  authorizationPolicies:\n  - ${namespace}/server-from-client\n` : ''}`
}

/** Those of `manifests.ts`, as a control plane would send them. */
const policies = `policies:
- name: no-strangers
  namespace: istio-system
  scope: Global
  action: Deny
  dryRun: false
  rules:
  - - - namespaces: [!Exact elsewhere, !Exact nowhere]
- name: no-admin-ports
  namespace: ${namespace}
  scope: Namespace
  action: Deny
  dryRun: false
  rules:
  - - - notPrincipals: [!Exact cluster.local/ns/${namespace}/sa/operator]
    - - destinationPorts: [9000, 9001]
- name: server-from-client
  namespace: ${namespace}
  scope: WorkloadSelector
  action: Allow
  dryRun: false
  rules:
  - - - principals: [!Exact cluster.local/ns/${namespace}/sa/operator]
    - - destinationPorts: [443]
  - - - principals: [!Exact cluster.local/ns/${namespace}/sa/client]
`
