import { expect, it } from 'vitest'
import type { PortMap, Service, ServiceEndpoint, Workload } from '../model/workload.ts'
import { aService, aWorkload } from '../testing/fixtures.ts'
import { Random } from '@culvert/testing'
import { type AddressChanges, type AddressUpdate, createWorkloadIndex, type WorkloadIndex } from './workload-index.ts'

const some = <Value>(random: Random, values: readonly Value[]): Value[] => values.filter(() => random.below(3) === 0)

const uids = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? `c/entry/${i}` : `c//Pod/ns${i % 2}/p${i}`))
const ips = ['10.0.0.1', '10.0.0.2', '10.0.0.255', 'fd00::1', '::ffff:10.0.0.1']
const networks = ['', 'n']
const namespaces = ['ns0', 'ns1', 'é']
const names = ['p1', 'p2', '']
const accounts = ['a', 'b', '']
const hostnames = ['', 'h1', 'h2']
const nodes = ['here', 'there']
const serviceHosts = ['s1', 's2', 's3', 's4']
const keys = namespaces.flatMap(namespace => serviceHosts.map(host => `${namespace}/${host}`))
const portMaps: readonly PortMap[] = [
  new Map(),
  new Map([[80, 8080]]),
  new Map([
    [80, 0],
    [443, 8443]
  ])
]

function randomWorkload(random: Random): Workload {
  return aWorkload({
    uid: random.pick(uids),
    ...(random.below(2) ? { name: random.pick(names) } : {}),
    namespace: random.pick(namespaces),
    serviceAccount: random.pick(accounts),
    trustDomain: random.pick(['', 'td']),
    workloadIps: some(random, ips),
    hostname: random.pick(hostnames),
    network: random.pick(networks),
    node: random.pick(nodes),
    protocol: random.pick(['TCP', 'HBONE']),
    networkMode: random.pick(['Standard', 'Standard', 'HostNetwork']),
    status: random.pick(['Healthy', 'Healthy', 'Unhealthy']),
    nativeTunnel: random.below(2) === 0,
    capacity: random.pick([0, 1, 300, 0xffff_ffff]),
    authorizationPolicies: some(random, ['ns0/a', 'ns1/b']),
    locality: random.pick([
      { region: '', zone: '', subzone: '' },
      { region: 'r', zone: 'z', subzone: '' }
    ]),
    services: new Map(some(random, keys).map(key => [key, random.pick(portMaps)])),
    ...(random.below(3) ? {} : { waypoint: { destination: { network: 'n', ip: '10.1.1.1' }, hboneMtlsPort: 15008 } }),
    ...(random.below(3)
      ? {}
      : { networkGateway: { destination: { namespace: 'x', hostname: 'gw' }, hboneMtlsPort: 1 } }),
    ...(random.below(3) ? {} : { applicationTunnel: { protocol: 'PROXY', port: 80 } })
  })
}

type ServiceUpdate = Extract<AddressUpdate, { kind: 'service' }>['service']

function randomService(random: Random): ServiceUpdate {
  const healthPolicy = random.pick(['OnlyHealthy', 'AllowAll'] as const)
  const own = new Map<string, ServiceEndpoint>(
    random.below(4)
      ? []
      : some(random, [...uids, 'nobody']).map(uid => [
          uid,
          { workloadUid: uid, port: random.pick(portMaps), status: 'Healthy' }
        ])
  )
  return {
    ...aService({
      hostname: random.pick(serviceHosts),
      namespace: random.pick(namespaces),
      loadBalancer: { routingPreferences: [], mode: 'Standard', healthPolicy }
    }),
    endpoints: own
  }
}

/** The state as plain maps, every question a scan. */
function createReference() {
  const workloads = new Map<string, Workload>()
  const services = new Map<string, ServiceUpdate & { readonly endpoints: Map<string, ServiceEndpoint> }>()
  const staged = new Map<string, Map<string, ServiceEndpoint>>()
  const wants = (service: Pick<Service, 'loadBalancer'>, { status }: ServiceEndpoint): boolean =>
    status === 'Healthy' || service.loadBalancer?.healthPolicy === 'AllowAll'
  const change = (key: string, uid: string, endpoint: ServiceEndpoint | undefined): void => {
    const service = services.get(key)
    if (service !== undefined) {
      if (endpoint !== undefined && wants(service, endpoint)) service.endpoints.set(uid, endpoint)
      else service.endpoints.delete(uid)
      return
    }
    const waiting = staged.get(key) ?? new Map<string, ServiceEndpoint>()
    if (endpoint === undefined) waiting.delete(uid)
    else waiting.set(uid, endpoint)
    if (waiting.size > 0) staged.set(key, waiting)
    else staged.delete(key)
  }
  const found = (wanted: (workload: Workload) => boolean): Workload[] => [...workloads.values()].filter(wanted)
  return {
    workloads,
    services,
    staged,
    byIp(network: string, ip: string): Workload | undefined {
      const rank = ({ uid, protocol }: Workload): number =>
        (uid.includes('//Pod/') ? 2 : 0) + (protocol === 'HBONE' ? 1 : 0)
      const all = found(w => w.networkMode === 'Standard' && w.network === network && w.workloadIps.includes(ip))
      return all.reduce<Workload | undefined>(
        (best, w) => (best === undefined || rank(w) >= rank(best) ? w : best),
        undefined
      )
    },
    byHostname: (namespace: string, hostname: string) =>
      found(w => w.namespace === namespace && w.hostname === hostname)[0],
    local: (namespace: string, name: string, serviceAccount: string) =>
      found(
        w => w.node === 'here' && w.namespace === namespace && w.name === name && w.serviceAccount === serviceAccount
      )[0],
    hasAccount: (namespace: string, account: string) =>
      found(w => w.node === 'here' && w.namespace === namespace && w.serviceAccount === account).length > 0,
    apply({ updates, removals }: AddressChanges): void {
      const changes: (() => void)[] = []
      const gone = (workload: Workload): void => {
        for (const key of workload.services.keys()) changes.push(() => change(key, workload.uid, undefined))
      }
      for (const update of updates) {
        if (update === undefined) continue
        if (update.kind === 'workload') {
          const { workload } = update
          const previous = workloads.get(workload.uid)
          if (previous !== undefined) gone(previous)
          workloads.delete(workload.uid)
          workloads.set(workload.uid, workload)
          for (const [key, port] of workload.services)
            changes.push(() => change(key, workload.uid, { workloadUid: workload.uid, port, status: workload.status }))
        } else {
          const key = `${update.service.namespace}/${update.service.hostname}`
          const previous = services.get(key)
          const service = { ...update.service, endpoints: new Map(update.service.endpoints) }
          services.set(key, service)
          for (const [uid, endpoint] of [...(previous?.endpoints ?? []), ...(staged.get(key) ?? [])])
            change(key, uid, endpoint)
          staged.delete(key)
        }
      }
      const leaving: string[] = []
      for (const name of removals) {
        const workload = workloads.get(name)
        if (workload === undefined) services.delete(name)
        else {
          gone(workload)
          leaving.push(name)
        }
      }
      for (const step of changes) step()
      for (const uid of leaving) workloads.delete(uid)
    }
  }
}

const plain = (endpoints: ReadonlyMap<string, ServiceEndpoint> | undefined) =>
  endpoints && Object.fromEntries([...endpoints].map(([uid, { port, status }]) => [uid, [uid, [...port], status]]))

function compare(index: WorkloadIndex, reference: ReturnType<typeof createReference>): void {
  for (const uid of uids) expect(index.workload(uid)).toEqual(reference.workloads.get(uid))
  for (const network of networks)
    for (const ip of ips) expect(index.workloadByIp(network, ip)).toEqual(reference.byIp(network, ip))
  for (const namespace of namespaces) {
    for (const hostname of hostnames.slice(1))
      expect(index.workloadByHostname({ namespace, hostname })).toEqual(reference.byHostname(namespace, hostname))
    for (const serviceAccount of accounts) {
      expect(index.hasLocalIdentity(namespace, serviceAccount)).toBe(reference.hasAccount(namespace, serviceAccount))
      for (const name of ['p1', 'p2'])
        expect(index.localWorkload({ namespace, name, serviceAccount })).toEqual(
          reference.local(namespace, name, serviceAccount)
        )
    }
    for (const hostname of serviceHosts) {
      const key = `${namespace}/${hostname}`
      const [mine, theirs] = [index.service({ namespace, hostname }), reference.services.get(key)]
      expect(plain(mine?.endpoints)).toEqual(plain(theirs?.endpoints))
      for (const uid of [...uids, 'nobody', 'never']) {
        expect(mine?.endpoints.has(uid)).toBe(theirs?.endpoints.has(uid))
        expect(mine?.endpoints.get(uid)).toEqual(theirs?.endpoints.get(uid))
      }
      const known = [...(theirs?.endpoints.keys() ?? [])].filter(uid => reference.workloads.has(uid))
      if (mine) expect([...index.endpointsOf(mine)].map(({ workload }) => workload.uid).sort()).toEqual(known.sort())
      expect(plain(index.stagedEndpoints().get(key))).toEqual(plain(reference.staged.get(key)))
    }
  }
  expect([...index.workloads()].map(({ uid }) => uid).sort()).toEqual([...reference.workloads.keys()].sort())
}

it.each([1, 2, 3, 4, 5, 6])('answers like plain maps do, whatever the changes (%i)', seed => {
  const random = new Random(seed)
  const index = createWorkloadIndex({ localNode: 'here' })
  const reference = createReference()
  for (let round = 0; round < 60; round++) {
    const updates = Array.from(
      { length: random.below(12) },
      (): AddressUpdate =>
        random.below(4)
          ? { kind: 'workload', workload: randomWorkload(random) }
          : { kind: 'service', service: randomService(random) }
    )
    const changes = { updates, removals: [...some(random, some(random, uids)), ...some(random, some(random, keys))] }
    index.apply(changes)
    reference.apply(changes)
    compare(index, reference)
  }
})
