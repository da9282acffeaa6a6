import { type IptablesRule, isBuiltin, plannedChains, tablesOf } from './iptables-rules.ts'

/** What `iptables-save` says: table, chain, and the chain's rules as text after `-A CHAIN `. */
export type SavedRules = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

const knownTables = ['filter', 'nat', 'mangle', 'raw']

/** A chain counts if it has a rule, or if it is declared and ours; empty foreign and builtin chains do not. */
export function parseSavedRules(text: string): SavedRules {
  const tables = new Map<string, Map<string, string[]>>()
  let chains: Map<string, string[]> | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      const table = line.slice(1).trim()
      chains = knownTables.includes(table) ? (tables.get(table) ?? new Map()) : undefined
      if (chains) tables.set(table, chains)
    } else if (chains && line.startsWith(':')) {
      const name = line.slice(1).split(' ')[0]!
      if (isOurs(name) && !chains.has(name)) chains.set(name, [])
    } else if (chains && line.startsWith('-A ')) {
      const [, name, rule] = /^-A (\S+) ?(.*)$/.exec(line) ?? []
      if (name === undefined) continue
      const rules = chains.get(name)
      if (rules) rules.push(rule ?? '')
      else chains.set(name, [rule ?? ''])
    }
  }
  return tables
}

export function isOurs(chain: string): boolean {
  return chain.startsWith('ISTIO')
}

/** Any chain present, anybody's. */
export function hasResidue(saved: SavedRules): boolean {
  return [...saved.values()].some(chains => chains.size > 0)
}

/**
 * Whether what is there certainly differs from the plan, by chains and rule counts; false means that it may be equal
 * and that each rule has to be checked with `-C`. Foreign rules in other chains, and order, are not looked at.
 */
export function differsInShape(planned: readonly IptablesRule[], saved: SavedRules): boolean {
  if (!hasResidue(saved)) return planned.length > 0
  for (const table of tablesOf(planned)) {
    const inTable = planned.filter(rule => rule.table === table)
    const present = saved.get(table)
    const builtin = inTable.map(rule => rule.chain).filter(isBuiltin)
    for (const chain of [...builtin, ...plannedChains(inTable)]) {
      const rules = present?.get(chain)
      if (rules === undefined) return true
      if (isOurs(chain) && rules.length !== inTable.filter(rule => rule.chain === chain).length) return true
    }
  }
  for (const [table, chains] of saved) {
    const expected = plannedChains(planned.filter(rule => rule.table === table))
    if ([...chains.keys()].some(chain => isOurs(chain) && !expected.includes(chain))) return true
  }
  return false
}

export interface RuleState {
  /** Something, ours or foreign, is there already. */
  readonly residue: boolean
  /** It is not what is planned. */
  readonly delta: boolean
}

/** Per family, with whether it has planned rules, to one answer: residue counts only where rules are planned. */
export function combineStates(states: readonly (RuleState & { planned: boolean })[]): RuleState {
  const residue = states.some(state => state.planned && state.residue)
  return residue ? { residue, delta: states.some(state => state.delta) } : { residue: false, delta: true }
}

export type RuleAction = 'nothing' | 'restore' | 'restore-anyway' | 'reconcile'

/** The table of docs/spec/capture.md 7.4. `restore-anyway` works if only foreign rules were there. */
export function actionFor(state: RuleState, options: { reconcile: boolean }): RuleAction {
  if (!state.delta) return 'nothing'
  if (!state.residue) return 'restore'
  return options.reconcile ? 'reconcile' : 'restore-anyway'
}
