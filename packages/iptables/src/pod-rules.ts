import {
  dnsConntrackZone,
  dnsPort,
  type Family,
  hbonePort,
  inboundPlaintextPort,
  inPodMark,
  markMask,
  outboundPort,
  type ProbeAddresses,
  returnPathMark,
  type Table
} from './constants.ts'
import { IptablesError } from './errors.ts'
import { noOverrides, type PodOverrides } from './pod-overrides.ts'

/** Node-wide settings of capture (docs/spec/capture.md 2). */
export interface CaptureSettings {
  readonly dnsCapture: boolean
  readonly ipv6: boolean
  readonly probe: ProbeAddresses
}

export type Chain = 'PREROUTING' | 'OUTPUT' | 'ISTIO_PRERT' | 'ISTIO_OUTPUT'

/** One rule in both languages. The name is that of docs/spec/capture.md 3.2. */
export interface PodRule {
  readonly name: string
  readonly table: Table
  readonly chain: Chain
  /** What follows `-A CHAIN`, per family. */
  readonly iptables: Readonly<Record<Family, string>>
  /** One text for both families (the tables are `inet`), or one per family that is on. */
  readonly nftables: readonly string[]
}

const ztunnelMark = `${inPodMark}/${markMask}`
const returnMark = `${returnPathMark}/${markMask}`
const isZtunnel = `mark and ${markMask} == ${inPodMark}`
const notZtunnel = `mark and ${markMask} != ${inPodMark}`

const loopback: Readonly<Record<Family, string>> = { ipv4: '127.0.0.1/32', ipv6: '::1/128' }
const nftFamily: Readonly<Record<Family, string>> = { ipv4: 'ip', ipv6: 'ip6' }

/**
 * The rules inside an ambient pod, in build order: the order in which each table's rules are applied and by which
 * chains are declared. Ambient needs no TPROXY; ztunnel's transparent sockets and REDIRECT are enough.
 */
export function podRules(settings: CaptureSettings, overrides: PodOverrides = noOverrides): readonly PodRule[] {
  const dns = overrides.dnsCapture ?? settings.dnsCapture
  const inbound = !overrides.bypassInbound
  const rule = ruleBuilder(settings)
  return [
    rule('M1', 'mangle', 'PREROUTING', '-j ISTIO_PRERT', 'jump istio-prerouting'),
    rule('M2', 'mangle', 'OUTPUT', '-j ISTIO_OUTPUT', 'jump istio-output'),
    rule('N1', 'nat', 'OUTPUT', '-j ISTIO_OUTPUT', 'jump istio-output'),
    ...when(dns, [
      rule('R1', 'raw', 'PREROUTING', '-j ISTIO_PRERT', 'jump istio-prerouting'),
      rule('R2', 'raw', 'OUTPUT', '-j ISTIO_OUTPUT', 'jump istio-output')
    ]),
    rule('N2', 'nat', 'PREROUTING', '-j ISTIO_PRERT', 'jump istio-prerouting'),
    ...overrides.virtualInterfaces.flatMap(name => virtualInterfaceRules(name, rule)),
    rule(
      'M3',
      'mangle',
      'ISTIO_PRERT',
      `-m mark --mark ${ztunnelMark} -j CONNMARK --set-xmark ${returnMark}`,
      `meta mark & ${markMask} == ${inPodMark} counter ct mark set ct mark & 0xfffff000 | ${returnPathMark}`
    ),
    ...when(inbound, [
      rule(
        'N5',
        'nat',
        'ISTIO_PRERT',
        ({ probe }) => `-s ${probe} -p tcp -m tcp -j ACCEPT`,
        ({ ip, probe }) => `meta l4proto tcp ${ip} saddr ${probe} counter accept`
      )
    ]),
    rule(
      'N6',
      'nat',
      'ISTIO_OUTPUT',
      ({ probe }) => `-d ${probe} -p tcp -m tcp -j ACCEPT`,
      ({ ip, probe }) => `meta l4proto tcp ${ip} daddr ${probe} counter accept`
    ),
    ...when(inbound, [
      rule(
        'N7',
        'nat',
        'ISTIO_PRERT',
        ({ lo }) =>
          `! -d ${lo} -p tcp ! --dport ${hbonePort} -m mark ! --mark ${ztunnelMark} -j REDIRECT --to-ports ${inboundPlaintextPort}`,
        ({ ip, lo }) =>
          `${ip} daddr != ${lo} tcp dport != ${hbonePort} ${notZtunnel} counter redirect to :${inboundPlaintextPort}`
      )
    ]),
    rule(
      'M4',
      'mangle',
      'ISTIO_OUTPUT',
      `-m connmark --mark ${returnMark} -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff`,
      `ct mark and ${markMask} == ${returnPathMark} counter meta mark set ct mark`
    ),
    ...when(dns, dnsRules(rule)),
    rule(
      'N10',
      'nat',
      'ISTIO_OUTPUT',
      `-p tcp -m mark --mark ${returnMark} -j ACCEPT`,
      `meta l4proto tcp mark and ${markMask} == ${returnPathMark} counter accept`
    ),
    rule(
      'N11',
      'nat',
      'ISTIO_OUTPUT',
      ({ lo }) => `! -d ${lo} -o lo -j ACCEPT`,
      ({ ip, lo }) => `oifname lo ${ip} daddr != ${lo} counter accept`
    ),
    rule(
      'N12',
      'nat',
      'ISTIO_OUTPUT',
      ({ lo }) => `! -d ${lo} -p tcp -m mark ! --mark ${ztunnelMark} -j REDIRECT --to-ports ${outboundPort}`,
      ({ ip, lo }) => `meta l4proto tcp ${ip} daddr != ${lo} ${notZtunnel} counter redirect to :${outboundPort}`
    )
  ]
}

// N8 skips loopback by interface, N9 only the single loopback address: UDP to 127.0.0.53 stays, TCP to it is captured.
function dnsRules(rule: RuleBuilder): PodRule[] {
  return [
    rule(
      'N8',
      'nat',
      'ISTIO_OUTPUT',
      `! -o lo -p udp -m mark ! --mark ${ztunnelMark} -m udp --dport 53 -j REDIRECT --to-port ${dnsPort}`,
      `oifname != lo ${notZtunnel} udp dport 53 counter redirect to :${dnsPort}`
    ),
    rule(
      'N9',
      'nat',
      'ISTIO_OUTPUT',
      ({ lo }) => `! -d ${lo} -p tcp --dport 53 -m mark ! --mark ${ztunnelMark} -j REDIRECT --to-ports ${dnsPort}`,
      ({ ip, lo }) => `${ip} daddr != ${lo} tcp dport 53 ${notZtunnel} counter redirect to :${dnsPort}`
    ),
    rule(
      'R3',
      'raw',
      'ISTIO_OUTPUT',
      `-p udp -m mark --mark ${ztunnelMark} -m udp --dport 53 -j CT --zone ${dnsConntrackZone}`,
      `udp dport 53 meta ${isZtunnel} counter ct zone set ${dnsConntrackZone}`
    ),
    rule(
      'R4',
      'raw',
      'ISTIO_PRERT',
      `-p udp -m mark ! --mark ${ztunnelMark} -m udp --sport 53 -j CT --zone ${dnsConntrackZone}`,
      `udp sport 53 meta ${notZtunnel} counter ct zone set ${dnsConntrackZone}`
    )
  ]
}

function virtualInterfaceRules(name: string, rule: RuleBuilder): PodRule[] {
  requireInterfaceName(name)
  const nft = `iifname ${nftString(name)} meta l4proto tcp counter`
  return [
    rule(
      'N3',
      'nat',
      'ISTIO_PRERT',
      `-i ${name} -p tcp -j REDIRECT --to-ports ${outboundPort}`,
      `${nft} redirect to :${outboundPort}`
    ),
    rule('N4', 'nat', 'ISTIO_PRERT', `-i ${name} -p tcp -j RETURN`, `${nft} return`)
  ]
}

// The name comes from an annotation, thus from whoever may edit the pod, and goes into the input of programs that run
// as root: only characters that are one word in both languages. Length is left to the programs, which refuse over 15.
function requireInterfaceName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.+:@%~=-]{0,254}$/.test(name)) return
  throw new IptablesError(
    'IPTABLES_BAD_INTERFACE',
    `interface name ${JSON.stringify(name.slice(0, 64))} cannot be part of a rule: expected letters, digits and _.+:@%~=-`
  )
}

function nftString(name: string): string {
  return /^[A-Za-z_.][A-Za-z0-9_./-]*$/.test(name) ? name : `"${name}"`
}

interface FamilyWords {
  readonly ip: string
  readonly lo: string
  readonly probe: string
}
type Text = string | ((words: FamilyWords) => string)
type RuleBuilder = (name: string, table: Table, chain: Chain, iptables: Text, nftables: Text) => PodRule

function ruleBuilder(settings: CaptureSettings): RuleBuilder {
  const words = (family: Family): FamilyWords => ({
    ip: nftFamily[family],
    lo: loopback[family],
    probe: settings.probe[family]
  })
  const text = (source: Text, family: Family): string => (typeof source === 'string' ? source : source(words(family)))
  const nftFamilies: Family[] = settings.ipv6 ? ['ipv4', 'ipv6'] : ['ipv4']
  return (name, table, chain, iptables, nftables) => ({
    name,
    table,
    chain,
    iptables: { ipv4: text(iptables, 'ipv4'), ipv6: text(iptables, 'ipv6') },
    nftables: typeof nftables === 'string' ? [nftables] : nftFamilies.map(family => text(nftables, family))
  })
}

function when<T>(condition: boolean, values: readonly T[]): readonly T[] {
  return condition ? values : []
}
