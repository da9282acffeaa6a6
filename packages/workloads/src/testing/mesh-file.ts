import { closeSync, openSync, writeSync } from 'node:fs'

export interface MeshSize {
  readonly workloads: number
  /** Workloads are spread over this many services of as many namespaces. */
  readonly services?: number
  readonly nodes?: number
}

/** A local configuration file in block style, as a control plane's dump would look. */
export function writeMeshFile(path: string, { workloads, services = 1_000, nodes = 500 }: MeshSize): void {
  const file = openSync(path, 'w')
  try {
    writeSync(file, 'workloads:\n')
    for (let first = 0; first < workloads; first += 1_000) {
      const last = Math.min(first + 1_000, workloads)
      let text = ''
      for (let i = first; i < last; i++) text += workload(i, i % services, i % nodes)
      writeSync(file, text)
    }
    writeSync(file, 'services:\n')
    for (let i = 0; i < services; i++) writeSync(file, service(i))
  } finally {
    closeSync(file)
  }
}

const ip = (network: number, i: number): string => `${network}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`

const workload = (
  i: number,
  service: number,
  node: number
): string => `- uid: cluster1//Pod/ns-${service}/app-${service}-7d9f8b6c5-${i}
  name: app-${service}-7d9f8b6c5-${i}
  namespace: ns-${service}
  serviceAccount: app-${service}
  trustDomain: cluster.local
  workloadIps:
  - ${ip(10, i)}
  protocol: HBONE
  network: ''
  node: other-${node}
  workloadName: app-${service}
  workloadType: deployment
  canonicalName: app-${service}
  canonicalRevision: v1
  clusterId: cluster1
  status: Healthy
  services:
    ns-${service}/app-${service}.ns-${service}.svc.cluster.local:
      80: 8080
`

const service = (i: number): string => `- name: app-${i}
  namespace: ns-${i}
  hostname: app-${i}.ns-${i}.svc.cluster.local
  vips:
  - /${ip(172, i + 0x100000)}
  ports:
    80: 8080
`
