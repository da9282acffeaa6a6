import type { NamespacedHostname, Workload, WorkloadIdentity } from '../model/workload.ts'
import { createAddressMap } from './address-map.ts'

/** Workloads by uid, address, hostname, and, for those of this node, by what the node agent knows of a pod. */
export interface WorkloadTable {
  readonly all: () => Iterable<Workload>
  readonly get: (uid: string) => Workload | undefined
  readonly byIp: (network: string, ip: string) => Workload | undefined
  readonly byHostname: (host: NamespacedHostname) => Workload | undefined
  readonly local: (identity: WorkloadIdentity) => Workload | undefined
  readonly isLocal: (workload: Workload) => boolean
  readonly hasLocalIdentity: (namespace: string, serviceAccount: string) => boolean
  readonly add: (workload: Workload) => void
  readonly remove: (workload: Workload) => void
}

/** Without a node of its own a proxy takes every workload for local. */
export function createWorkloadTable(localNode: string | undefined): WorkloadTable {
  const uids = new Map<string, Workload>()
  const ips = createAddressMap<Workload>()
  const hostnames = createAddressMap<Workload>()
  const localPods = createAddressMap<Workload>()
  const localAccounts = new Map<string, number>()
  const isLocal = ({ node }: Workload): boolean => !localNode || node === localNode

  const countAccount = ({ namespace, serviceAccount }: Workload, change: 1 | -1): void => {
    const account = `${namespace}/${serviceAccount}`
    const now = (localAccounts.get(account) ?? 0) + change
    if (now > 0) localAccounts.set(account, now)
    else localAccounts.delete(account)
  }

  return {
    all: () => uids.values(),
    get: uid => uids.get(uid),
    byIp: (network, ip) => preferred(ips.get(network, ip)),
    byHostname: ({ namespace, hostname }) => hostnames.get(namespace, hostname)[0],
    local: ({ namespace, name, serviceAccount }) =>
      localPods.get(namespace, name).find(workload => workload.serviceAccount === serviceAccount),
    isLocal,
    hasLocalIdentity: (namespace, serviceAccount) => localAccounts.has(`${namespace}/${serviceAccount}`),
    add(workload) {
      uids.set(workload.uid, workload)
      for (const ip of indexedIps(workload)) ips.add(workload.network, ip, workload)
      if (workload.hostname !== '') hostnames.add(workload.namespace, workload.hostname, workload)
      if (!isLocal(workload)) return
      if (workload.name !== '') localPods.add(workload.namespace, workload.name, workload)
      countAccount(workload, 1)
    },
    remove(workload) {
      uids.delete(workload.uid)
      for (const ip of indexedIps(workload)) ips.remove(workload.network, ip, workload)
      if (workload.hostname !== '') hostnames.remove(workload.namespace, workload.hostname, workload)
      if (!isLocal(workload)) return
      if (workload.name !== '') localPods.remove(workload.namespace, workload.name, workload)
      countAccount(workload, -1)
    }
  }
}

/** A host-network pod shares its node's address with others, so the address names nobody. */
const indexedIps = ({ networkMode, workloadIps }: Workload): readonly string[] =>
  networkMode === 'HostNetwork' ? [] : workloadIps

/** Pods before others, tunnels before plain TCP, the newest of equals. */
function preferred(workloads: readonly Workload[]): Workload | undefined {
  let best: Workload | undefined
  for (const workload of workloads) if (best === undefined || rank(workload) >= rank(best)) best = workload
  return best
}

const rank = ({ uid, protocol }: Workload): number => (uid.includes('//Pod/') ? 2 : 0) + (protocol === 'HBONE' ? 1 : 0)
