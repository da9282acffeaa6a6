import type { ServiceDefinition } from '../conversion/service.ts'
import { canonicalIp } from '../model/ip.ts'
import type {
  ApplicationTunnel,
  GatewayAddress,
  GatewayDestination,
  LoadBalancer,
  Locality,
  NetworkAddress,
  NetworkCidr,
  PortMap,
  Service,
  ServiceEndpoint,
  WeightedWaypoint,
  Workload
} from '../model/workload.ts'
import { dictionary, fields, flag, list, oneOf, portNumber, type Reader, text, wholeNumber, wrong } from './reader.ts'
import { readCidr } from './read-policy.ts'

const nowhere: Locality = { region: '', zone: '', subzone: '' }
const noEndpoints: ReadonlyMap<string, ServiceEndpoint> = new Map()
const healthStatus = oneOf('Healthy', 'Unhealthy')

/** Unlike what arrives by xDS, absent names stay empty (docs/spec/zds.md 5.4). */
export function readWorkload(reader: Reader): Workload {
  return fields(reader, ({ required, optional, present }) => ({
    workloadIps: required('workloadIps', list(readIp)),
    namespace: required('namespace', text),
    services: required('services', dictionary(readServiceKey, readPorts)),
    uid: optional('uid', text, ''),
    name: optional('name', text, ''),
    serviceAccount: optional('serviceAccount', text, ''),
    trustDomain: optional('trustDomain', text, ''),
    network: optional('network', text, ''),
    node: optional('node', text, ''),
    hostname: optional('hostname', text, ''),
    workloadName: optional('workloadName', text, ''),
    workloadType: optional('workloadType', text, ''),
    canonicalName: optional('canonicalName', text, ''),
    canonicalRevision: optional('canonicalRevision', text, ''),
    clusterId: optional('clusterId', text, ''),
    protocol: optional('protocol', oneOf('TCP', 'HBONE'), 'TCP'),
    networkMode: optional('networkMode', oneOf('Standard', 'HostNetwork'), 'Standard'),
    status: optional('status', healthStatus, 'Healthy'),
    nativeTunnel: optional('nativeTunnel', flag, false),
    authorizationPolicies: optional('authorizationPolicies', list(text), []),
    locality: optional('locality', readLocality, nowhere),
    capacity: optional('capacity', wholeNumber(0xffff_ffff), 1),
    ...present('applicationTunnel', readApplicationTunnel),
    ...present('waypoint', readGateway),
    ...present('networkGateway', readGateway)
  }))
}

/** With endpoints of its own, where the file names any. */
export type LocalService = ServiceDefinition & Pick<Service, 'endpoints'>

export function readService(reader: Reader): LocalService {
  return fields(reader, ({ required, optional, present }) => ({
    name: required('name', text),
    namespace: required('namespace', text),
    hostname: required('hostname', text),
    vips: required('vips', list(readNetworkAddress)),
    ports: required('ports', readPorts),
    cidrVips: optional('cidrVips', list(readNetworkCidr), []),
    endpoints: optional('endpoints', dictionary(text, readEndpoint), noEndpoints),
    subjectAltNames: optional('subjectAltNames', list(text), []),
    weightedWaypoints: optional('weightedWaypoints', list(readWeightedWaypoint), []),
    canonical: optional('canonical', flag, false),
    visibility: optional('visibility', oneOf('Public', 'Namespace'), 'Public'),
    ...present('waypoint', readGateway),
    ...present('loadBalancer', readLoadBalancer),
    ...present('ipFamilies', oneOf('Dual', 'IPv4', 'IPv6'))
  }))
}

function readIp(reader: Reader): string {
  const ip = canonicalIp(text(reader))
  if (ip === undefined) throw wrong(reader, 'an IP address')
  return ip
}

function readServiceKey(reader: Reader): string {
  const key = text(reader)
  if (!key.includes('/')) throw wrong(reader, 'namespace/hostname')
  return key
}

/** Keys of an object are text in YAML as in JSON. */
function readPortKey(key: Reader): number {
  const port = /^[0-9]+$/.test(text(key)) ? Number(key.value) : -1
  if (port < 0 || port > 65535) throw wrong(key, 'a number up to 65535')
  return port
}

const readPorts: (reader: Reader) => PortMap = dictionary(readPortKey, portNumber)

/** `network/IP`, with nothing before the slash for the default network. */
function readNetworkAddress(reader: Reader): NetworkAddress {
  const value = text(reader)
  const slash = value.lastIndexOf('/')
  const ip = canonicalIp(value.slice(slash + 1))
  if (slash < 0 || ip === undefined) throw wrong(reader, 'network/IP, like /10.9.0.1')
  return { network: value.slice(0, slash), ip }
}

const readNetworkCidr = (reader: Reader): NetworkCidr =>
  fields(reader, ({ required, optional }) => ({
    network: optional('network', text, ''),
    ...required('cidr', readCidr)
  }))

const readEndpoint = (reader: Reader): ServiceEndpoint =>
  fields(reader, ({ required, optional }) => ({
    workloadUid: required('workloadUid', text),
    port: required('port', readPorts),
    status: optional('status', healthStatus, 'Healthy')
  }))

const readGateway = (reader: Reader): GatewayAddress =>
  fields(reader, ({ required }) => ({
    destination: required('destination', readDestination),
    hboneMtlsPort: required('hboneMtlsPort', portNumber)
  }))

/** What ends in an address is one; anything else with a slash is a hostname. */
function readDestination(reader: Reader): GatewayDestination {
  const value = text(reader)
  const slash = value.indexOf('/')
  if (slash < 0) throw wrong(reader, 'network/IP or namespace/hostname')
  const rest = value.slice(slash + 1)
  const ip = canonicalIp(rest)
  return ip === undefined
    ? { namespace: value.slice(0, slash), hostname: rest }
    : { network: value.slice(0, slash), ip }
}

const readWeightedWaypoint = (reader: Reader): WeightedWaypoint =>
  fields(reader, ({ required }) => ({
    destination: required('destination', readGateway),
    weight: required('weight', wholeNumber(0xffff_ffff))
  }))

const readApplicationTunnel = (reader: Reader): ApplicationTunnel =>
  fields(reader, ({ required, present }) => ({
    protocol: required('protocol', oneOf('NONE', 'PROXY')),
    ...present('port', portNumber)
  }))

const readLocality = (reader: Reader): Locality =>
  fields(
    reader,
    ({ optional }) => ({
      region: optional('region', text, ''),
      zone: optional('zone', text, ''),
      subzone: optional('subzone', text, '')
    }),
    { ignoreUnknown: true }
  )

const readLoadBalancer = (reader: Reader): LoadBalancer =>
  fields(reader, ({ optional }) => ({
    routingPreferences: optional(
      'routingPreferences',
      list(oneOf('Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network')),
      []
    ),
    mode: optional('mode', oneOf('Standard', 'Strict', 'Failover', 'Passthrough'), 'Standard'),
    healthPolicy: optional('healthPolicy', oneOf('OnlyHealthy', 'AllowAll'), 'OnlyHealthy')
  }))
