import { ambientTables, type ProbeAddresses, probeSetNames, type Table } from './constants.ts'
import type { Chain, PodRule } from './pod-rules.ts'

const tableOrder: readonly Table[] = ['nat', 'mangle', 'raw']

const chainNames: Readonly<Record<Chain, string>> = {
  PREROUTING: 'prerouting',
  OUTPUT: 'output',
  ISTIO_PRERT: 'istio-prerouting',
  ISTIO_OUTPUT: 'istio-output'
}

// `route` for mangle output: a changed mark then re-runs the route lookup, which sends the answer to ztunnel.
const baseChains: Readonly<Record<Table, Readonly<Record<'prerouting' | 'output', string>>>> = {
  nat: {
    prerouting: 'type nat hook prerouting priority -100 ;',
    output: 'type nat hook output priority -100 ;'
  },
  mangle: {
    prerouting: 'type filter hook prerouting priority -150 ;',
    output: 'type route hook output priority -150 ;'
  },
  raw: {
    prerouting: 'type filter hook prerouting priority -300 ;',
    output: 'type filter hook output priority -300 ;'
  }
}

/** Input of `nft -f -` that makes a pod's tables exactly these rules (docs/spec/capture.md 4): one transaction. */
export function podTransaction(rules: readonly PodRule[]): string {
  return tableOrder
    .map(table => {
      const inTable = rules.filter(rule => rule.table === table)
      return inTable.length === 0 ? '' : tableText(table, inTable)
    })
    .join('')
}

function tableText(table: Table, rules: readonly PodRule[]): string {
  const name = `inet ${ambientTables[table]}`
  const jumps = rules.flatMap(rule => rule.nftables).map(text => /^jump (\S+)$/.exec(text)?.[1])
  const used = new Set([...rules.map(rule => chainNames[rule.chain]), ...jumps])
  const lines = [
    `add table ${name}`,
    `flush table ${name}`,
    ...(['prerouting', 'output'] as const)
      .filter(chain => used.has(chain))
      .map(chain => `add chain ${name} ${chain} { ${baseChains[table][chain]} }`),
    ...['istio-prerouting', 'istio-output'].filter(chain => used.has(chain)).map(chain => `add chain ${name} ${chain}`),
    ...rules.flatMap(rule => rule.nftables.map(text => `add rule ${name} ${chainNames[rule.chain]} ${text}`))
  ]
  return `${lines.join('\n')}\n`
}

/** Deletes the three tables; adding each first makes that safe where one is absent. */
export function podDeletion(): string {
  return tableOrder
    .map(table => `add table inet ${ambientTables[table]}\ndelete table inet ${ambientTables[table]}\n`)
    .join('')
}

const hostTable = `inet ${ambientTables.nat}`

/** nftables has no "a local socket exists" match, so probes are known by the kubelet's user (docs/spec/capture.md 6.2). */
export function hostTransaction(probe: ProbeAddresses, options: { ipv6: boolean; kubeletUid: number }): string {
  const rule = (ip: string, set: string, source: string): string =>
    `add rule ${hostTable} postrouting meta l4proto tcp skuid ${options.kubeletUid} ${ip} daddr @${set} counter snat to ${source}`
  const lines = [
    ...hostTableLines(options),
    `flush table ${hostTable}`,
    `add chain ${hostTable} postrouting { type nat hook postrouting priority 100 ; }`,
    rule('ip', probeSetNames.ipv4, probe.ipv4),
    ...(options.ipv6 ? [rule('ip6', probeSetNames.ipv6, probe.ipv6)] : [])
  ]
  return `${lines.join('\n')}\n`
}

/** The sets, with their table; what exists already stays, elements included. */
export function hostSets(options: { ipv6: boolean }): string {
  return `${hostTableLines(options).join('\n')}\n`
}

function hostTableLines({ ipv6 }: { ipv6: boolean }): string[] {
  return [
    `add table ${hostTable}`,
    `add set ${hostTable} ${probeSetNames.ipv4} { type ipv4_addr ; }`,
    ...(ipv6 ? [`add set ${hostTable} ${probeSetNames.ipv6} { type ipv6_addr ; }`] : [])
  ]
}

/** Removes the rules and keeps the sets with their elements. */
export const hostRuleDeletion: string = `add table ${hostTable}\nflush table ${hostTable}\n`
export const hostTableDeletion: string = `add table ${hostTable}\ndelete table ${hostTable}\n`
