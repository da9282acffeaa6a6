import type { V1PodSpec } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { planNetwork } from '../fabric/network-plan.ts'
import { podFiles, podHostname, resolvConf } from './pod-files.ts'

const plan = planNetwork(1)
const pod = (spec: Partial<V1PodSpec> = {}, name = 'till-0') => ({
  metadata: { name, namespace: 'shop' },
  spec: { containers: [], ...spec }
})

const clusterFirst = `search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
`

describe('resolvConf', () => {
  it.each([
    { name: 'default policy', spec: {}, text: clusterFirst },
    { name: 'host network', spec: { hostNetwork: true }, text: 'nameserver 172.18.0.1\n' },
    {
      name: 'host network that asks for the cluster',
      spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
      text: clusterFirst
    },
    { name: 'Default', spec: { dnsPolicy: 'Default' }, text: 'nameserver 172.18.0.1\n' },
    {
      name: 'None',
      spec: {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.test'], options: [{ name: 'edns0' }] }
      },
      text: 'search a.test\nnameserver 1.1.1.1\noptions edns0\n'
    },
    {
      name: 'own ndots',
      spec: { dnsConfig: { options: [{ name: 'ndots', value: '2' }] } },
      text: clusterFirst.replace('ndots:5', 'ndots:2')
    }
  ])('$name', ({ spec, text }) => {
    expect(resolvConf(pod(spec), plan)).toBe(text)
  })
})

it('puts the pod, its subdomain and its aliases into /etc/hosts', () => {
  const spec = {
    hostname: 'till',
    subdomain: 'tills',
    hostAliases: [{ ip: '1.2.3.4', hostnames: ['bank', 'bank.test'] }]
  }
  const hosts = podFiles(pod(spec), plan, ['10.244.1.7'], 'till')['/etc/hosts']
  expect(hosts).toContain('10.244.1.7\ttill.tills.shop.svc.cluster.local\ttill\n')
  expect(hosts).toContain('1.2.3.4\tbank\tbank.test\n')
})

it.each([
  [pod(), 'till-0'],
  [pod({ hostname: 'other' }), 'other'],
  [pod({ hostNetwork: true }), 'node-1'],
  [pod({}, `${'a'.repeat(62)}-b`), 'a'.repeat(62)]
])('podHostname %#', (given, hostname) => {
  expect(podHostname(given, 'node-1')).toBe(hostname)
})
