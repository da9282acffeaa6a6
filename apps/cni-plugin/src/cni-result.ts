import { familyOf } from './cni-version.ts'
import { quoted } from './go-json.ts'
import { type Cidr, formatIp, parseCidr, parseIp } from './ip-address.ts'

/** A CNI result of whatever version, lifted to the newest (docs/spec/cni.md 2.3). */
export interface CniResult {
  readonly interfaces: readonly Interface[]
  readonly ips: readonly IpConfig[]
  readonly routes: readonly Route[]
  readonly dns: Dns
}

export interface Interface {
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  readonly sandbox?: string
  readonly socketPath?: string
  readonly pciID?: string
}

export interface IpConfig {
  /** Index into the result's interfaces. */
  readonly interface?: number
  readonly address: Cidr
  readonly gateway?: string
}

export interface Route {
  readonly dst: Cidr
  readonly gw?: string
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

export interface Dns {
  readonly nameservers?: readonly string[]
  readonly domain?: string
  readonly search?: readonly string[]
  readonly options?: readonly string[]
}

export const emptyResult: CniResult = { interfaces: [], ips: [], routes: [], dns: {} }

type Json = Readonly<Record<string, unknown>>

/** Reads the previous result. Its own version must be of the family of the configuration's. */
export function parseResult(json: Json, configVersion: string): CniResult {
  const version = optional(json, 'cniVersion', 'string') ?? ''
  const family = familyOf(configVersion)
  if (familyOf(version) !== family) {
    throw new Error(`its version ${quoted(version)} does not go with the configuration's ${quoted(configVersion)}`)
  }
  const dns = parseDns(object(json.dns ?? {}, 'dns'))
  if (family === '0.1') {
    const old = [json.ip4, json.ip6].filter(ip => ip != null).map((ip, i) => object(ip, i === 0 ? 'ip4' : 'ip6'))
    return {
      interfaces: [],
      ips: old.map(ip => ({ address: cidr(ip, 'ip'), ...ifSet('gateway', address(ip, 'gateway')) })),
      routes: old.flatMap(ip => list(ip, 'routes').map(parseRoute)),
      dns
    }
  }
  return {
    interfaces: list(json, 'interfaces').map(parseInterface),
    ips: list(json, 'ips').map(ip => ({
      ...ifSet('interface', optional(ip, 'interface', 'number')),
      address: cidr(ip, 'address'),
      ...ifSet('gateway', address(ip, 'gateway'))
    })),
    routes: list(json, 'routes').map(parseRoute),
    dns
  }
}

function parseInterface(json: Json): Interface {
  return {
    name: optional(json, 'name', 'string') ?? '',
    ...ifSet('mac', optional(json, 'mac', 'string')),
    ...ifSet('mtu', optional(json, 'mtu', 'number')),
    ...ifSet('sandbox', optional(json, 'sandbox', 'string')),
    ...ifSet('socketPath', optional(json, 'socketPath', 'string')),
    ...ifSet('pciID', optional(json, 'pciID', 'string'))
  }
}

function parseRoute(json: Json): Route {
  return {
    dst: cidr(json, 'dst'),
    ...ifSet('gw', address(json, 'gw')),
    ...ifSet('mtu', optional(json, 'mtu', 'number')),
    ...ifSet('advmss', optional(json, 'advmss', 'number')),
    ...ifSet('priority', optional(json, 'priority', 'number')),
    // Zero means something here: table "unspecified", scope "universe".
    ...ifSet('table', optional(json, 'table', 'number'), true),
    ...ifSet('scope', optional(json, 'scope', 'number'), true)
  }
}

function parseDns(json: Json): Dns {
  return {
    ...ifSet('nameservers', strings(json, 'nameservers')),
    ...ifSet('domain', optional(json, 'domain', 'string')),
    ...ifSet('search', strings(json, 'search')),
    ...ifSet('options', strings(json, 'options'))
  }
}

/** Leaves out what Go's `omitempty` leaves out. The interface index is a pointer there: 0 stays. */
function ifSet<K extends string, T>(
  key: K,
  value: T | undefined,
  zeroCounts = key === 'interface'
): { [key in K]?: T } {
  const empty = value === undefined || value === '' || (value === 0 && !zeroCounts)
  const emptyList = Array.isArray(value) && value.length === 0
  return empty || emptyList ? {} : ({ [key]: value } as { [key in K]?: T })
}

function optional(json: Json, key: string, type: 'string'): string | undefined
function optional(json: Json, key: string, type: 'number'): number | undefined
function optional(json: Json, key: string, type: 'string' | 'number'): unknown {
  const value = json[key] ?? undefined
  if (value === undefined) return undefined
  const fits = type === 'string' ? typeof value === 'string' : Number.isInteger(value)
  if (!fits)
    throw new Error(`${key} is ${JSON.stringify(value)}, want a ${type === 'string' ? 'string' : 'whole number'}`)
  return value
}

function object(value: unknown, key: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new Error(`${key} is ${JSON.stringify(value)}, want an object`)
}

function list(json: Json, key: string): Json[] {
  const value = json[key] ?? []
  if (!Array.isArray(value)) throw new Error(`${key} is ${JSON.stringify(value)}, want a list`)
  return value.map(item => object(item, `an entry of ${key}`))
}

function strings(json: Json, key: string): string[] | undefined {
  const value = json[key] ?? undefined
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
  throw new Error(`${key} is ${JSON.stringify(value)}, want a list of strings`)
}

function cidr(json: Json, key: string): Cidr {
  const text = optional(json, key, 'string') ?? ''
  const parsed = parseCidr(text)
  if (parsed === undefined) throw new Error(`${key} is ${quoted(text)}, want an address like 10.1.2.3/24`)
  return parsed
}

function address(json: Json, key: string): string | undefined {
  const text = optional(json, key, 'string') ?? ''
  if (text === '') return undefined
  const bytes = parseIp(text)
  if (bytes === undefined) throw new Error(`${key} is ${quoted(text)}, want an IP address`)
  return formatIp(bytes)
}
