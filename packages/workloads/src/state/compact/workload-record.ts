import type { ApplicationTunnel, GatewayAddress, Locality, PortMap, Workload } from '../../model/workload.ts'
import type { Pool } from './pool.ts'
import { createRecordReader, createRecordWriter } from './record-bytes.ts'

/**
 * A workload as bytes:
 *
 *     uid        length, UTF-8
 *     flags      see below
 *     shared     numbers of pooled texts and values
 *     capacity
 *     addresses  count, then each: length, bytes
 *     hostname   length, UTF-8
 *     name       length, UTF-8; not there when the uid ends in it
 *
 * A record of nothing but a uid is a name without a workload.
 */
export interface WorkloadRecords {
  /** Holds what it shares; good until the next call. */
  readonly encode: (workload: Workload) => Uint8Array
  readonly encodeName: (uid: string) => Uint8Array
  readonly isName: (record: Buffer) => boolean
  /** Undefined for a mere name. */
  readonly decode: (record: Buffer) => Workload | undefined
  readonly nameIn: (record: Buffer) => string
  /** What was shared is no longer held by this record. */
  readonly release: (record: Buffer) => void
}

/** What repeats among workloads. */
export interface SharedValues {
  readonly texts: Pool<string>
  readonly values: Pool<SharedValue>
}

export interface SharedLookup {
  readonly text: (id: number) => string
  readonly value: (id: number) => SharedValue
}

export type SharedValue = Locality | GatewayAddress | ApplicationTunnel | readonly string[] | Services
type Services = ReadonlyMap<string, PortMap>

const flags = { hbone: 1, hostNetwork: 2, nativeTunnel: 4, unhealthy: 8, nameIsTail: 16 }

const textFields = [
  'namespace',
  'serviceAccount',
  'trustDomain',
  'network',
  'node',
  'workloadName',
  'workloadType',
  'canonicalName',
  'canonicalRevision',
  'clusterId'
] as const satisfies readonly (keyof Workload)[]

const valueFields = 6

export function createWorkloadRecords({ texts, values }: SharedValues): WorkloadRecords {
  const writer = createRecordWriter()

  const holdJson = (json: string): number => values.hold(json, () => JSON.parse(json) as SharedValue)

  const writeShared = (value: SharedValue | undefined): void =>
    writer.number(value === undefined ? 0 : holdJson(JSON.stringify(value)))

  const writeServices = (services: Services): void =>
    writer.number(services.size === 0 ? 0 : values.hold(servicesKey(services), () => services))

  return {
    encode(workload) {
      writer.begin()
      const { uid, name, locality, authorizationPolicies: policies } = workload
      const nameIsTail = uid.endsWith(`/${name}`)
      writer.text(uid)
      writer.number(
        (workload.protocol === 'HBONE' ? flags.hbone : 0) |
          (workload.networkMode === 'HostNetwork' ? flags.hostNetwork : 0) |
          (workload.nativeTunnel ? flags.nativeTunnel : 0) |
          (workload.status === 'Unhealthy' ? flags.unhealthy : 0) |
          (nameIsTail ? flags.nameIsTail : 0)
      )
      for (const field of textFields) {
        const text = workload[field]
        writer.number(text === '' ? 0 : texts.hold(text, () => text))
      }
      writeShared(isNowhere(locality) ? undefined : locality)
      writeShared(workload.waypoint)
      writeShared(workload.networkGateway)
      writeShared(workload.applicationTunnel)
      writeShared(policies.length === 0 ? undefined : policies)
      writeServices(workload.services)
      writer.number(workload.capacity)
      writer.number(workload.workloadIps.length)
      for (const ip of workload.workloadIps) writer.address(ip)
      writer.text(workload.hostname)
      if (!nameIsTail) writer.text(name)
      return writer.written()
    },

    encodeName(uid) {
      writer.begin()
      writer.text(uid)
      return writer.written()
    },

    decode: record => decodeWorkload(record, { text: texts.get, value: values.get }),

    isName(record) {
      const reader = createRecordReader(record)
      reader.skip()
      return reader.atEnd()
    },

    nameIn: record => createRecordReader(record).text(),

    release(record) {
      const reader = createRecordReader(record)
      reader.skip()
      if (reader.atEnd()) return
      reader.number()
      for (let i = 0; i < textFields.length; i++) texts.release(reader.number())
      for (let i = 0; i < valueFields; i++) values.release(reader.number())
    }
  }
}

/** The workload of a record whose shared parts are found by number; undefined for a mere name. */
export function decodeWorkload(record: Buffer, { text, value }: SharedLookup): Workload | undefined {
  const reader = createRecordReader(record)
  const uid = reader.text()
  if (reader.atEnd()) return undefined
  const flag = reader.number()
  const shared = (): string => {
    const id = reader.number()
    return id === 0 ? '' : text(id)
  }
  const part = <Value extends SharedValue>(): Value | undefined => {
    const id = reader.number()
    return id === 0 ? undefined : (value(id) as Value)
  }
  const namespace = shared()
  const serviceAccount = shared()
  const trustDomain = shared()
  const network = shared()
  const node = shared()
  const workloadName = shared()
  const workloadType = shared()
  const canonicalName = shared()
  const canonicalRevision = shared()
  const clusterId = shared()
  const locality = part<Locality>() ?? nowhere
  const waypoint = part<GatewayAddress>()
  const networkGateway = part<GatewayAddress>()
  const applicationTunnel = part<ApplicationTunnel>()
  const authorizationPolicies = part<readonly string[]>() ?? nothing
  const services = part<Services>() ?? noServices
  const capacity = reader.number()
  const workloadIps: string[] = []
  for (let left = reader.number(); left > 0; left--) workloadIps.push(reader.address())
  const hostname = reader.text()
  const name = flag & flags.nameIsTail ? uid.slice(uid.lastIndexOf('/') + 1) : reader.text()
  return {
    uid,
    name,
    namespace,
    serviceAccount,
    trustDomain,
    workloadIps,
    hostname,
    network,
    node,
    protocol: flag & flags.hbone ? 'HBONE' : 'TCP',
    networkMode: flag & flags.hostNetwork ? 'HostNetwork' : 'Standard',
    ...(waypoint && { waypoint }),
    ...(networkGateway && { networkGateway }),
    workloadName,
    workloadType,
    canonicalName,
    canonicalRevision,
    clusterId,
    locality,
    nativeTunnel: (flag & flags.nativeTunnel) !== 0,
    ...(applicationTunnel && { applicationTunnel }),
    authorizationPolicies,
    status: flag & flags.unhealthy ? 'Unhealthy' : 'Healthy',
    services,
    capacity
  }
}

const nowhere: Locality = { region: '', zone: '', subzone: '' }
const isNowhere = ({ region, zone, subzone }: Locality): boolean => region === '' && zone === '' && subzone === ''
const nothing: readonly never[] = []
const noServices: Services = new Map()

/** Maps have no JSON; the bar tells them from every other shared value. */
function servicesKey(services: Services): string {
  let key = '|'
  for (const [name, ports] of services) key += `${name.length}:${name}${portsKey(ports)};`
  return key
}

export function portsKey(ports: PortMap): string {
  let key = ''
  for (const [port, target] of ports) key += `${port}:${target},`
  return key
}
