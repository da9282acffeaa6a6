import type { NamespacedHostname, PortMap, Workload, WorkloadIdentity } from '../model/workload.ts'
import type { Names } from './compact/endpoint-set.ts'
import { createPool } from './compact/pool.ts'
import { createRecordArena } from './compact/record-arena.ts'
import { createSlotTable, hashOf, type SlotTable } from './compact/slot-table.ts'
import { createViewCache } from './compact/view-cache.ts'
import { createWorkloadRecords, type SharedValue } from './compact/workload-record.ts'
import type { KnownEndpoint } from './lookups.ts'

/**
 * Workloads by uid, address, hostname, and, for those of this node, by what the node agent knows of a pod. Each has a
 * number, its slot, under which it is a record of bytes; the values handed out are made when asked for. A slot is also
 * the name of a workload that services list and nobody has sent.
 */
export interface WorkloadTable extends Names {
  readonly all: () => Iterable<Workload>
  readonly get: (uid: string) => Workload | undefined
  /** Made anew and not kept: for who goes through many. */
  readonly peek: (slot: number) => Workload | undefined
  /** What balancing asks of each of thousands, without making a value of it; undefined for a mere name. */
  readonly endpointAt: (slot: number, port: PortMap) => KnownEndpoint | undefined
  readonly byIp: (network: string, ip: string) => Workload | undefined
  readonly byHostname: (host: NamespacedHostname) => Workload | undefined
  readonly local: (identity: WorkloadIdentity) => Workload | undefined
  readonly isLocal: (workload: Workload) => boolean
  readonly hasLocalIdentity: (namespace: string, serviceAccount: string) => boolean
  /** In place of what the uid had. */
  readonly put: (workload: Workload) => { readonly slot: number; readonly previous: Workload | undefined }
  readonly remove: (slot: number) => void
  /** The slot of a uid, made if need be. Who keeps it holds it (`holdName`). */
  readonly makeName: (uid: string) => number
}

/** Without a node of its own a proxy takes every workload for local. */
export function createWorkloadTable(localNode: string | undefined): WorkloadTable {
  const records = createWorkloadRecords({ texts: createPool<string>(), values: createPool<SharedValue>() })
  const arena = createRecordArena()
  const views = createViewCache<Workload>()
  const uids = createSlotTable()
  const ips = createSlotTable()
  const hostnames = createSlotTable()
  const localPods = createSlotTable()
  const localAccounts = new Map<string, number>()
  const unused: number[] = []
  /** By slot: who else than a workload needs the name, and when its workload came. */
  let holders = new Int32Array(1024)
  let arrivals = new Float64Array(1024)
  /** By slot: whether there is a workload, and one with an address; and its capacity. */
  let reachabilities = new Uint8Array(1024)
  let capacities = new Uint32Array(1024)
  let slots = 0
  let arrived = 0
  const isLocal = ({ node }: Workload): boolean => !localNode || node === localNode

  const peek = (slot: number): Workload | undefined => {
    const record = arena.read(slot)
    return record && records.decode(record)
  }
  const at = (slot: number): Workload | undefined => views.get(slot, () => peek(slot))

  const slotOf = (uid: string): number | undefined =>
    uids.find(hashOf(uid), slot => records.nameIn(arena.read(slot)!) === uid)

  function newSlot(uid: string): number {
    const slot = unused.pop() ?? slots++
    if (slot >= holders.length) {
      holders = enlarged(holders, new Int32Array(slot * 2))
      arrivals = enlarged(arrivals, new Float64Array(slot * 2))
      reachabilities = enlarged(reachabilities, new Uint8Array(slot * 2))
      capacities = enlarged(capacities, new Uint32Array(slot * 2))
    }
    holders[slot] = 0
    uids.add(hashOf(uid), slot)
    return slot
  }

  function freeSlot(slot: number, uid: string): void {
    uids.remove(hashOf(uid), slot)
    arena.remove(slot)
    unused.push(slot)
  }

  const countAccount = ({ namespace, serviceAccount }: Workload, change: 1 | -1): void => {
    const account = `${namespace}/${serviceAccount}`
    const now = (localAccounts.get(account) ?? 0) + change
    if (now > 0) localAccounts.set(account, now)
    else localAccounts.delete(account)
  }

  /** Every table but that of uids. */
  function file(workload: Workload, slot: number, change: 'add' | 'remove'): void {
    const { namespace, name, hostname, network } = workload
    for (const ip of indexedIps(workload)) ips[change](hashOf(network, ip), slot)
    if (hostname !== '') hostnames[change](hashOf(namespace, hostname), slot)
    if (!isLocal(workload)) return
    if (name !== '') localPods[change](hashOf(namespace, name), slot)
    countAccount(workload, change === 'add' ? 1 : -1)
  }

  /** The workload's record goes; the slot stays. */
  function unfile(slot: number): Workload | undefined {
    const previous = peek(slot)
    if (previous === undefined) return undefined
    file(previous, slot, 'remove')
    records.release(arena.read(slot)!)
    views.forget(slot)
    reachabilities[slot] = mereName
    return previous
  }

  /** Of all that pass, the one that scores highest. */
  function best(
    table: SlotTable,
    hash: number,
    isWanted: (workload: Workload) => boolean,
    score: (workload: Workload, arrival: number) => number
  ): Workload | undefined {
    let chosen: Workload | undefined
    let highest = Number.NEGATIVE_INFINITY
    table.find(hash, slot => {
      const workload = at(slot)
      if (workload === undefined || !isWanted(workload)) return false
      const own = score(workload, arrivals[slot]!)
      if (own > highest) [chosen, highest] = [workload, own]
      return false
    })
    return chosen
  }

  return {
    *all() {
      for (let slot = 0; slot < slots; slot++) {
        const workload = peek(slot)
        if (workload !== undefined) yield workload
      }
    },
    get(uid) {
      const slot = slotOf(uid)
      return slot === undefined ? undefined : at(slot)
    },
    peek,
    endpointAt(slot, port) {
      const reachability = reachabilities[slot]!
      if (reachability === mereName) return undefined
      return new Endpoint(at, slot, { port, capacity: capacities[slot]!, isAddressed: reachability === addressed })
    },
    byIp: (network, ip) =>
      best(ips, hashOf(network, ip), w => w.network === network && indexedIps(w).includes(ip), preferred),
    byHostname: ({ namespace, hostname }) =>
      best(hostnames, hashOf(namespace, hostname), w => w.namespace === namespace && w.hostname === hostname, first),
    local: ({ namespace, name, serviceAccount }) =>
      best(
        localPods,
        hashOf(namespace, name),
        w => w.namespace === namespace && w.name === name && w.serviceAccount === serviceAccount,
        first
      ),
    isLocal,
    hasLocalIdentity: (namespace, serviceAccount) => localAccounts.has(`${namespace}/${serviceAccount}`),

    put(workload) {
      const slot = slotOf(workload.uid) ?? newSlot(workload.uid)
      const previous = unfile(slot)
      arena.write(slot, records.encode(workload))
      arrivals[slot] = ++arrived
      const isAddressed = workload.workloadIps.length > 0 || workload.hostname !== ''
      reachabilities[slot] = isAddressed ? addressed : addressless
      capacities[slot] = workload.capacity
      file(workload, slot, 'add')
      return { slot, previous }
    },
    remove(slot) {
      const previous = unfile(slot)
      if (previous === undefined) return
      if (holders[slot] === 0) freeSlot(slot, previous.uid)
      else arena.write(slot, records.encodeName(previous.uid))
    },

    slotOf,
    nameOf: slot => records.nameIn(arena.read(slot)!),
    makeName(uid) {
      const known = slotOf(uid)
      if (known !== undefined) return known
      const slot = newSlot(uid)
      arena.write(slot, records.encodeName(uid))
      return slot
    },
    holdName(slot) {
      holders[slot]!++
    },
    releaseName(slot) {
      holders[slot]!--
      if (holders[slot]! > 0) return
      const record = arena.read(slot)!
      if (records.isName(record)) freeSlot(slot, records.nameIn(record))
    }
  }
}

const [mereName, addressless, addressed] = [0, 1, 2]

class Endpoint implements KnownEndpoint {
  readonly port: PortMap
  readonly capacity: number
  readonly isAddressed: boolean
  readonly #at: (slot: number) => Workload | undefined
  readonly #slot: number

  constructor(at: (slot: number) => Workload | undefined, slot: number, facts: Omit<KnownEndpoint, 'workload'>) {
    this.port = facts.port
    this.capacity = facts.capacity
    this.isAddressed = facts.isAddressed
    this.#at = at
    this.#slot = slot
  }

  get workload(): Workload {
    return this.#at(this.#slot)!
  }
}

function enlarged<Column extends Int32Array | Uint32Array | Uint8Array | Float64Array>(
  from: Column,
  to: Column
): Column {
  to.set(from)
  return to
}

/** A host-network pod shares its node's address with others, so the address names nobody. */
const indexedIps = ({ networkMode, workloadIps }: Workload): readonly string[] =>
  networkMode === 'HostNetwork' ? [] : workloadIps

/** Pods before others, tunnels before plain TCP, the newest of equals. */
const preferred = ({ uid, protocol }: Workload, arrival: number): number =>
  arrival + ((uid.includes('//Pod/') ? 2 : 0) + (protocol === 'HBONE' ? 1 : 0)) * 2 ** 48

const first = (_workload: Workload, arrival: number): number => -arrival
