import { describe, expect, it } from 'vitest'
import { dumpPolicies } from '../dump/dump-policy.ts'
import { createPolicyStore } from '../state/policy-store.ts'
import { createWorkloadIndex } from '../state/workload-index.ts'
import { applyLocalConfig, dumpLocalConfig, parseLocalConfig } from './local-config.ts'

// docs/spec/zds.md 6.E
const lab = `
workloads:
- uid: lab//Pod/blue/tea-0
  name: tea-0
  namespace: blue
  serviceAccount: tea
  trustDomain: cluster.local
  workloadIps: ["10.77.0.2"]
  protocol: HBONE
  node: lab-node
  services: {"blue/pot.blue.lab": {80: 8080}}
services:
- name: pot
  namespace: blue
  hostname: pot.blue.lab
  vips: ["/10.77.9.9"]
  ports: {80: 8080}
policies:
- name: only-blue
  namespace: blue
  scope: Namespace
  action: Allow
  dryRun: false
  rules: [[[{namespaces: [!Exact blue]}]]]
`

function load(yaml: string, localNode?: string) {
  const index = createWorkloadIndex({ localNode })
  const policies = createPolicyStore()
  applyLocalConfig(parseLocalConfig(yaml), { index, policies })
  return { index, policies }
}

describe('a local configuration', () => {
  it('becomes state', () => {
    const { index, policies } = load(lab, 'lab-node')
    const tea = { name: 'tea-0', namespace: 'blue', serviceAccount: 'tea' }
    expect(index.localWorkload(tea)).toMatchObject({ trustDomain: 'cluster.local', protocol: 'HBONE' })
    expect(index.localWorkload({ ...tea, serviceAccount: 'coffee' })).toBeUndefined()
    expect(load(lab, 'other').index.localWorkload(tea)).toBeUndefined()
    expect(index.serviceByVip('', '10.77.9.9')?.endpoints.get('lab//Pod/blue/tea-0')?.port.get(80)).toBe(8080)
    expect(policies.ofNamespace('blue').get('blue/only-blue')?.rules[0]?.[0]?.[0]?.namespaces).toEqual([
      { kind: 'exact', value: 'blue' }
    ])
  })

  it('leaves empty what is absent', () => {
    const [workload] = parseLocalConfig('workloads: [{workloadIps: [], namespace: a, services: {}}]').workloads
    expect(workload).toMatchObject({
      trustDomain: '',
      serviceAccount: '',
      clusterId: '',
      uid: '',
      capacity: 1,
      protocol: 'TCP'
    })
  })

  it('reads everything else', () => {
    const { workloads, services, policies } = parseLocalConfig(`
workloads:
- {workloadIps: [], namespace: a, services: {}, waypoint: {destination: n/10.0.0.1, hboneMtlsPort: 15008},
   networkGateway: {destination: a/gw.example, hboneMtlsPort: 15009}, applicationTunnel: {protocol: PROXY, port: 80},
   locality: {region: r, planet: earth}, authorizationPolicies: [a/b], capacity: 0}
services:
- {name: s, namespace: a, hostname: s.a, vips: [n/fd00:0::1], ports: {}, cidrVips: [{network: n, cidr: 10.0.0.0/8}],
   endpoints: {u: {workloadUid: u, port: {80: 1}, status: Unhealthy}}, ipFamilies: Dual, visibility: Namespace,
   weightedWaypoints: [{destination: {destination: a/w, hboneMtlsPort: 1}, weight: 9}],
   loadBalancer: {mode: Failover, routingPreferences: [Network, Node]}}
policies:
- name: p
  namespace: a
  scope: Global
  action: Deny
  dryRun: true
  rules:
  - - - {principals: [!Prefix a, !Suffix b, !Presence ], notPrincipals: [!Presence []], later: 1}
    - - {serviceAccounts: [{namespace: a, serviceAccount: b}], sourceIps: [10.0.0.0/8], destinationPorts: [80]}
`)
    expect(workloads[0]).toMatchObject({
      waypoint: { destination: { network: 'n', ip: '10.0.0.1' }, hboneMtlsPort: 15008 },
      networkGateway: { destination: { namespace: 'a', hostname: 'gw.example' } },
      applicationTunnel: { protocol: 'PROXY', port: 80 },
      locality: { region: 'r', zone: '', subzone: '' },
      capacity: 0
    })
    expect(services[0]).toMatchObject({
      vips: [{ network: 'n', ip: 'fd00::1' }],
      cidrVips: [{ network: 'n', ip: '10.0.0.0', prefixLength: 8 }],
      endpoints: new Map([['u', { workloadUid: 'u', port: new Map([[80, 1]]), status: 'Unhealthy' }]]),
      weightedWaypoints: [{ destination: { hboneMtlsPort: 1 }, weight: 9 }],
      loadBalancer: { mode: 'Failover', routingPreferences: ['Network', 'Node'], healthPolicy: 'OnlyHealthy' }
    })
    expect(policies[0]?.rules[0]?.[0]?.[0]).toMatchObject({
      principals: [{ kind: 'prefix', value: 'a' }, { kind: 'suffix', value: 'b' }, { kind: 'presence' }],
      notPrincipals: [{ kind: 'presence' }]
    })
    expect(policies[0]?.rules[0]?.[1]?.[0]).toMatchObject({ sourceIps: [{ ip: '10.0.0.0', prefixLength: 8 }] })
  })

  it('may be empty', () => {
    expect(parseLocalConfig('')).toEqual({ workloads: [], services: [], policies: [] })
    const dump = dumpLocalConfig(parseLocalConfig('{}')) as Readonly<Record<string, Iterable<unknown>>>
    expect(Object.entries(dump).map(([list, items]) => [list, [...items]])).toEqual([
      ['workloads', []],
      ['services', []],
      ['policies', []]
    ])
  })

  const workload = (fields: string): string => `workloads: [{workloadIps: [], namespace: a, services: {}, ${fields}}]`
  const match = (text: string): string =>
    `policies: [{name: p, namespace: a, scope: Global, action: Deny, dryRun: false, rules: [[[${text}]]]}]`

  it.each([
    ['workloads: [{namespace: a, services: {}}]', 'workloads[0].workloadIps is missing, must be a list'],
    [workload('protocol: UDP'), 'workloads[0].protocol is "UDP", must be TCP or HBONE'],
    [workload('color: red'), /^local config: workloads\[0\] has the unknown key color; known are .*uid/],
    ['extra: 1', 'the file has the unknown key extra; known are policies, services, workloads'],
    [workload('capacity: -1'), 'workloads[0].capacity is -1, must be a number up to 4294967295'],
    [
      'workloads: [{workloadIps: [nope], namespace: a, services: {}}]',
      'workloads[0].workloadIps[0] is "nope", must be an IP address'
    ],
    [
      'workloads: [{workloadIps: [], namespace: a, services: {cart: {}}}]',
      'a key of workloads[0].services is "cart", must be namespace/hostname'
    ],
    [
      'workloads: [{workloadIps: [], namespace: a, services: {a/b: {http: 1}}}]',
      'a key of workloads[0].services["a/b"] is "http", must be a number up to 65535'
    ],
    [match('{namespaces: [{Exact: a}]}'), /must be !Exact, !Prefix or !Suffix with a text, or !Presence$/],
    [match('{namespaces: [a]}'), /namespaces\[0\] is "a", must be !Exact/],
    [match('{sourceIps: [10.0.0.0/33]}'), /sourceIps\[0\] is "10.0.0.0\/33", must be like 10.0.0.0\/8$/],
    [
      'policies: [{name: p, namespace: a, scope: Global, action: Deny, rules: []}]',
      'policies[0].dryRun is missing, must be true or false'
    ],
    ['workloads: [', /^local config: /],
    [match('{namespaces: [!Other a]}'), /Unresolved tag: !Other/],
    ['- a', 'the file is ["a"], must be an object']
  ])('refuses %s', (yaml, message) => {
    const text = typeof message === 'string' ? `local config: ${message}` : expect.stringMatching(message)
    expect(() => parseLocalConfig(yaml)).toThrow(
      expect.objectContaining({ code: 'WORKLOADS_LOCAL_CONFIG', message: text })
    )
  })

  it('dumps policies as istioctl reads them', () => {
    const { policies } = load(
      match('{notPrincipals: [!Presence ], namespaces: [!Exact a], sourceIps: [10.1.2.3/8], destinationPorts: [80]}')
    )
    expect([...dumpPolicies(policies)]).toEqual([
      {
        name: 'p',
        namespace: 'a',
        scope: 'Global',
        action: 'Deny',
        dryRun: false,
        rules: [
          [
            [
              {
                notPrincipals: [{ Presence: [] }],
                namespaces: [{ Exact: 'a' }],
                sourceIps: ['10.1.2.3/8'],
                destinationPorts: [80]
              }
            ]
          ]
        ]
      }
    ])
  })
})
