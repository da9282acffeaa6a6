import { type IptablesRule, isBuiltin, jumpedTo, ruleArguments } from './iptables-rules.ts'
import type { SavedRules } from './rule-state.ts'

// Every function gives argument lists for single iptables commands, in the order in which they must run.

/** Blocks all traffic while rules are replaced, so that nothing leaves the pod uncaptured meanwhile. */
export const guardrailInserts: readonly (readonly string[])[] = guardrails('-I', ['1'])
export const guardrailDeletes: readonly (readonly string[])[] = guardrails('-D', [])

function guardrails(command: string, position: readonly string[]): string[][] {
  return ['INPUT', 'FORWARD', 'OUTPUT'].flatMap(chain =>
    ['tcp', 'udp'].map(protocol => ['-t', 'filter', command, chain, ...position, '-p', protocol, '-j', 'DROP'])
  )
}

/** Cleanup 1 of docs/spec/capture.md 7.5: takes the plan away again. */
export function cleanupOfPlan(planned: readonly IptablesRule[]): string[][] {
  const deletions = planned
    .toReversed()
    .filter(rule => !rule.chain.startsWith('ISTIO_') || jumpedTo(rule)?.startsWith('ISTIO_'))
    .map(rule => ['-t', rule.table, ...ruleArguments(rule, 'delete')])
  const chains = new Map(
    planned.filter(rule => !isBuiltin(rule.chain)).map(rule => [`${rule.table} ${rule.chain}`, rule])
  )
  const removals = [...chains.values()].flatMap(({ table, chain }) => [
    ['-t', table, '-F', chain],
    ['-t', table, '-X', chain]
  ])
  return [...deletions, ...removals]
}

/** Cleanup 2 of docs/spec/capture.md 7.5: takes away what older versions left, as seen in the kernel. */
export function cleanupOfSaved(saved: SavedRules): string[][] {
  const all = [...saved].flatMap(([table, chains]) => [...chains].map(([chain, rules]) => ({ table, chain, rules })))
  const jumps = all.flatMap(({ table, chain, rules }) =>
    rules
      .filter(rule => /(^| )-[jg] ISTIO_/.test(rule))
      .map(rule => ['-t', table, '-D', chain, ...splitArguments(rule)])
  )
  const ours = all.filter(({ chain }) => chain.startsWith('ISTIO_'))
  return [
    ...jumps,
    ...ours.map(({ table, chain }) => ['-t', table, '-F', chain]),
    ...ours.map(({ table, chain }) => ['-t', table, '-X', chain])
  ]
}

const podJumps: readonly IptablesRule[] = [
  { table: 'mangle', chain: 'PREROUTING', text: '-j ISTIO_PRERT' },
  { table: 'mangle', chain: 'OUTPUT', text: '-j ISTIO_OUTPUT' },
  { table: 'nat', chain: 'OUTPUT', text: '-j ISTIO_OUTPUT' },
  { table: 'raw', chain: 'PREROUTING', text: '-j ISTIO_PRERT' },
  { table: 'raw', chain: 'OUTPUT', text: '-j ISTIO_OUTPUT' },
  { table: 'nat', chain: 'PREROUTING', text: '-j ISTIO_PRERT' }
]
const podChains = ['mangle', 'nat', 'raw'].flatMap(table =>
  ['ISTIO_PRERT', 'ISTIO_OUTPUT'].map(chain => ({ table, chain }))
)

/** The fixed list that un-enrols a pod, whatever of it is there. */
export function unenrolCommands(): string[][] {
  return [
    ...podJumps.map(rule => ['-t', rule.table, ...ruleArguments(rule, 'delete')]),
    ...podChains.map(({ table, chain }) => ['-t', table, '-F', chain]),
    ...podChains.map(({ table, chain }) => ['-t', table, '-X', chain])
  ]
}

/**
 * The same as one input of `iptables-restore --noflush`, which needs one process instead of eighteen but fails as a
 * whole on anything absent: so only what was seen is named. Undefined: nothing of it is there.
 */
export function unenrolText(saved: SavedRules): string | undefined {
  const sections = ['mangle', 'nat', 'raw'].map(table => {
    const chains = saved.get(table)
    const jumps = podJumps.filter(rule => rule.table === table && chains?.get(rule.chain)?.includes(rule.text))
    const ours = podChains.filter(chain => chain.table === table && chains?.has(chain.chain))
    const lines = [
      ...jumps.map(rule => ruleArguments(rule, 'delete').join(' ')),
      ...ours.map(({ chain }) => `-F ${chain}`),
      ...ours.map(({ chain }) => `-X ${chain}`)
    ]
    return lines.length === 0 ? '' : `* ${table}\n${lines.join('\n')}\nCOMMIT\n`
  })
  const text = sections.join('')
  return text === '' ? undefined : text
}

/** Splits a line of `iptables-save`: words, or text in double quotes in which a backslash keeps the next character. */
export function splitArguments(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, word]) => word ?? (quoted ?? '').replace(/\\(.)/g, '$1')
  )
}
