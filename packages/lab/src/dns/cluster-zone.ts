import type { V1Service } from '@culvert/kubernetes'
import type { ServiceState } from '../services/service-state.ts'

export type ZoneRecord =
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'PTR'; readonly name: string; readonly data: string }
  | {
      readonly type: 'SRV'
      readonly name: string
      readonly data: {
        readonly priority: number
        readonly weight: number
        readonly port: number
        readonly target: string
      }
    }
  | { readonly type: 'TXT'; readonly name: string; readonly data: string }

/**
 * `outside`: not a name of the cluster. `missing`: a name of the cluster that does not exist (NXDOMAIN). Otherwise the
 * name exists, with the records it has of the type asked for, which may be none.
 */
export type ZoneAnswer = 'outside' | 'missing' | readonly ZoneRecord[]

export interface ZoneOptions {
  readonly clusterDomain: string
  /** Whether an address belongs to a pod; names of pods are made of their addresses. */
  readonly isPodIp: (ip: string) => boolean
}

interface Endpoint {
  /** The endpoint's own label below its service. */
  readonly label: string
  readonly ip: string
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[]
}

/** Answers a question from the services of the cluster, by the Kubernetes DNS specification, version 1.1.0. */
export function answerFromZone(
  question: { name: string; type: string },
  state: ServiceState,
  o: ZoneOptions
): ZoneAnswer {
  const name = question.name.toLowerCase().replace(/\.$/, '')
  const reverse = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)
  if (reverse) return answerReverse(question, `${reverse[4]}.${reverse[3]}.${reverse[2]}.${reverse[1]}`, state, o)
  const zone = o.clusterDomain
  if (name === zone) return []
  if (!name.endsWith(`.${zone}`)) return 'outside'
  const labels = name.slice(0, -zone.length - 1).split('.')
  if (labels.join('.') === 'dns-version') return ofType(question.type, [{ type: 'TXT', name, data: '1.1.0' }])
  const kind = labels.pop()
  const namespace = labels.pop()
  if (kind === 'pod') return namespace === undefined ? [] : podAnswer(question, name, labels, o)
  if (kind !== 'svc') return 'missing'
  const inNamespace = state.services().filter(({ metadata }) => metadata?.namespace === namespace)
  // `svc.cluster.local` and a namespace with services exist as names without records.
  if (namespace === undefined) return []
  const serviceName = labels.pop()
  if (serviceName === undefined) return inNamespace.length > 0 ? [] : 'missing'
  const service = inNamespace.find(({ metadata }) => metadata?.name === serviceName)
  if (service === undefined) return 'missing'
  const records = serviceRecords(service, labels, name, state, zone)
  return records === undefined ? 'missing' : ofType(question.type, records)
}

/** Everything at one name of a service; `below` are the labels in front of the service's own. */
function serviceRecords(
  service: V1Service,
  below: readonly string[],
  name: string,
  state: ServiceState,
  zone: string
): ZoneRecord[] | undefined {
  const { namespace, name: serviceName } = service.metadata!
  const base = `${serviceName}.${namespace}.svc.${zone}`
  const { type, externalName, clusterIP, ports = [] } = service.spec ?? {}
  if (type === 'ExternalName') {
    return below.length === 0 ? [{ type: 'CNAME', name, data: externalName ?? '' }] : undefined
  }
  const headless = clusterIP === undefined || clusterIP === 'None' || clusterIP === ''
  const endpoints = headless ? headlessEndpoints(service, state) : []
  if (below.length === 0) {
    const ips = headless ? endpoints.map(({ ip }) => ip) : [clusterIP]
    return [...new Set(ips)].map(ip => address(name, ip))
  }
  if (below.length === 1) {
    const [label] = below
    const named = endpoints.filter(endpoint => endpoint.label === label)
    // `_tcp.<service>` exists as a name as soon as there is a port below it.
    if (named.length === 0) return isProtocol(label!) && ports.length > 0 ? [] : undefined
    return named.map(({ ip }) => address(name, ip))
  }
  const [portLabel, protocolLabel] = below
  if (below.length !== 2 || !isProtocol(protocolLabel!) || !portLabel!.startsWith('_')) return undefined
  const protocol = protocolLabel!.slice(1).toUpperCase()
  const portName = portLabel!.slice(1)
  const srv = (port: number, target: string): ZoneRecord => ({
    type: 'SRV',
    name,
    data: { priority: 0, weight: 100, port, target }
  })
  const records = headless
    ? endpoints.flatMap(({ label, ports }) =>
        ports
          .filter(port => port.name === portName && port.protocol === protocol)
          .map(({ port }) => srv(port, `${label}.${base}`))
      )
    : ports
        .filter(port => (port.name ?? '') === portName && (port.protocol ?? 'TCP') === protocol)
        .map(({ port }) => srv(port, base))
  return records.length === 0 ? undefined : records
}

const isProtocol = (label: string): boolean => label === '_tcp' || label === '_udp'

function headlessEndpoints(service: V1Service, state: ServiceState): Endpoint[] {
  const { namespace, name } = service.metadata!
  return state.slices(namespace!, name!).flatMap(slice =>
    (slice.endpoints ?? [])
      .filter(({ conditions }) => (conditions?.ready ?? true) || service.spec?.publishNotReadyAddresses)
      .flatMap(({ addresses, hostname }) =>
        addresses.slice(0, 1).map(ip => ({
          label: hostname ?? ip.replaceAll(/[.:]/g, '-'),
          ip,
          ports: (slice.ports ?? []).map(({ name = '', protocol = 'TCP', port = 0 }) => ({ name, protocol, port }))
        }))
      )
  )
}

/** `10-244-1-7.shop.pod.cluster.local`; which namespace is not checked, as in most clusters. */
function podAnswer(question: { type: string }, name: string, labels: readonly string[], o: ZoneOptions): ZoneAnswer {
  if (labels.length === 0) return []
  const ip = /^\d+-\d+-\d+-\d+$/.test(labels[0]!) ? labels[0]!.replaceAll('-', '.') : undefined
  if (labels.length > 1 || ip === undefined || !o.isPodIp(ip)) return 'missing'
  return ofType(question.type, [address(name, ip)])
}

function answerReverse(
  question: { name: string; type: string },
  ip: string,
  state: ServiceState,
  o: ZoneOptions
): ZoneAnswer {
  const names: string[] = []
  for (const service of state.services()) {
    const { namespace, name } = service.metadata!
    const base = `${name}.${namespace}.svc.${o.clusterDomain}`
    if (service.spec?.clusterIP === ip) names.push(base)
    if (service.spec?.clusterIP !== 'None') continue
    for (const endpoint of headlessEndpoints(service, state))
      if (endpoint.ip === ip) names.push(`${endpoint.label}.${base}`)
  }
  if (names.length === 0) return o.isPodIp(ip) ? 'missing' : 'outside'
  return ofType(
    question.type,
    names.map(data => ({ type: 'PTR', name: question.name, data }))
  )
}

const address = (name: string, ip: string): ZoneRecord => ({ type: ip.includes(':') ? 'AAAA' : 'A', name, data: ip })

/** A CNAME answers every type. */
function ofType(type: string, records: readonly ZoneRecord[]): ZoneRecord[] {
  return records.filter(record => record.type === type || record.type === 'CNAME' || type === 'ANY')
}
