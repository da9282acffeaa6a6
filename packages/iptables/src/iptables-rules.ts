import type { Family, ProbeAddresses } from './constants.ts'
import { probeSetNames } from './constants.ts'
import type { PodRule } from './pod-rules.ts'

/** A rule of one family as iptables takes it. */
export interface IptablesRule {
  readonly table: string
  readonly chain: string
  /** Present: inserted at this position instead of appended. */
  readonly position?: number
  /** What follows the chain, matches and target. */
  readonly text: string
}

/** Per family; a family without planned rules is absent or empty. */
export type RulePlan = Readonly<Partial<Record<Family, readonly IptablesRule[]>>>

export function podRulePlan(rules: readonly PodRule[], options: { ipv6: boolean }): RulePlan {
  const of = (family: Family): IptablesRule[] =>
    rules.map(({ table, chain, iptables }) => ({ table, chain, text: iptables[family] }))
  return { ipv4: of('ipv4'), ...(options.ipv6 && { ipv6: of('ipv6') }) }
}

/**
 * The host's part (docs/spec/capture.md 6.2): connections born from a socket of the node itself (kubelet's probes) get
 * the probe address as source; what the node only forwards does not.
 */
export function hostRulePlan(probe: ProbeAddresses, options: { ipv6: boolean }): RulePlan {
  const of = (family: Family): IptablesRule[] => [
    { table: 'nat', chain: 'POSTROUTING', position: 1, text: '-j ISTIO_POSTRT' },
    {
      table: 'nat',
      chain: 'ISTIO_POSTRT',
      text: `-m owner --socket-exists -p tcp -m set --match-set ${probeSetNames[family]} dst -j SNAT --to-source ${probe[family]}`
    }
  ]
  return { ipv4: of('ipv4'), ...(options.ipv6 && { ipv6: of('ipv6') }) }
}

const builtinChains = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']
const verdicts = ['ACCEPT', 'RETURN', 'DROP']

export function isBuiltin(chain: string): boolean {
  return builtinChains.includes(chain)
}

/** The chain a rule ends in jumping to, if it is one of ours and no target of the kernel's own. */
export function jumpedTo(rule: IptablesRule): string | undefined {
  const target = /(?:^| )-j (\S+)$/.exec(rule.text)?.[1]
  return target === undefined || isBuiltin(target) || verdicts.includes(target) ? undefined : target
}

/** The arguments that append, insert, check or delete the rule, without the table. */
export function ruleArguments(rule: IptablesRule, action: 'apply' | 'check' | 'delete'): string[] {
  const command = { check: '-C', delete: '-D', apply: rule.position === undefined ? '-A' : '-I' }[action]
  const position = action === 'apply' && rule.position !== undefined ? [String(rule.position)] : []
  return [command, rule.chain, ...position, ...rule.text.split(' ')]
}

/** Chains the plan needs in one table, first those that hold rules (in order of their first), then mere jump targets. */
export function plannedChains(rules: readonly IptablesRule[]): string[] {
  const holding = rules.map(rule => rule.chain).filter(chain => !isBuiltin(chain))
  const targets = rules.map(jumpedTo).filter(chain => chain !== undefined)
  return [...new Set([...holding, ...targets])]
}

export function tablesOf(rules: readonly IptablesRule[]): string[] {
  return [...new Set(rules.map(rule => rule.table))].sort()
}

/** Input of `iptables-restore --noflush` (docs/spec/capture.md 7.4). `-N` refuses a chain that is there already. */
export function restoreText(rules: readonly IptablesRule[]): string {
  return tablesOf(rules)
    .map(table => {
      const inTable = rules.filter(rule => rule.table === table)
      const lines = [
        `* ${table}`,
        ...plannedChains(inTable).map(chain => `-N ${chain}`),
        ...inTable.map(rule => ruleArguments(rule, 'apply').join(' ')),
        'COMMIT'
      ]
      return `${lines.join('\n')}\n`
    })
    .join('')
}
