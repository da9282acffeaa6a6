import { closeSync, openSync, writeSync } from 'node:fs'

const perService = 100

/** A local configuration (docs/spec/zds.md 5.4) in block style: so many workloads on other nodes, 100 in each service. */
export function writeWorkloads(file: string, count: number): void {
  const fd = openSync(file, 'w')
  try {
    writeSync(fd, 'workloads:\n')
    for (let first = 0; first < count; first += 1_000) {
      const chunk = Array.from({ length: Math.min(1_000, count - first) }, (_, index) => workload(first + index))
      writeSync(fd, chunk.join(''))
    }
    writeSync(fd, 'services:\n')
    for (let index = 0; index * perService < count; index++) writeSync(fd, service(index))
  } finally {
    closeSync(fd)
  }
}

const ip = (network: number, index: number): string =>
  `${network}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`

const hostname = (index: number): string => `service-${index}.shop.svc.cluster.local`

const workload = (index: number): string => `- uid: Kubernetes//Pod/shop/pod-${index}
  name: pod-${index}
  namespace: shop
  serviceAccount: account-${index % 1_000}
  trustDomain: cluster.local
  clusterId: Kubernetes
  workloadIps:
  - ${ip(11, index)}
  protocol: HBONE
  node: other-${index % 500}
  canonicalName: app-${index % 1_000}
  canonicalRevision: v1
  workloadName: app-${index % 1_000}
  workloadType: deployment
  services:
    shop/${hostname(Math.floor(index / perService))}:
      80: 8080
`

const service = (index: number): string => `- name: service-${index}
  namespace: shop
  hostname: ${hostname(index)}
  vips:
  - /${ip(12, index)}
  ports:
    80: 8080
`
