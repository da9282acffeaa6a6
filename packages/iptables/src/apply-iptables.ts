import type { Netns } from '@culvert/netns'
import { cleanupOfPlan, cleanupOfSaved, guardrailDeletes, guardrailInserts } from './cleanup-rules.ts'
import { type CaptureLog, type Commands, commandFailed, message } from './commands.ts'
import type { Family } from './constants.ts'
import { IptablesError } from './errors.ts'
import type { IptablesBinaries, IptablesBinary } from './iptables-binary.ts'
import { type RulePlan, restoreText, ruleArguments } from './iptables-rules.ts'
import {
  actionFor,
  combineStates,
  differsInShape,
  hasResidue,
  parseSavedRules,
  type RuleState,
  type SavedRules
} from './rule-state.ts'

export interface ApplyContext {
  readonly commands: Commands
  readonly binaries: IptablesBinaries
  readonly log: CaptureLog
  readonly netns: Netns | undefined
  /** For messages: `pod shop/kiosk-0`, `the host`. */
  readonly subject: string
}

const families: readonly Family[] = ['ipv4', 'ipv6']

/** Brings the namespace to the planned rules, as docs/spec/capture.md 7.4 says; rejects if a restore is refused. */
export async function applyRules(
  plan: RulePlan,
  context: ApplyContext,
  options: { reconcile: boolean }
): Promise<void> {
  const action = actionFor(await readState(plan, context), options)
  switch (action) {
    case 'nothing':
      context.log.debug(`rules of ${context.subject} are as planned`)
      return
    case 'restore':
      return restore(plan, context)
    case 'restore-anyway':
      context.log.warn(`${context.subject} has other rules already; adding ours to them`)
      return restore(plan, context)
    case 'reconcile':
      return reconcile(plan, context)
  }
}

// Both families are always read, whatever is planned; they do not touch each other, so both at once.
async function readState(plan: RulePlan, context: ApplyContext): Promise<RuleState> {
  const states = await Promise.all(families.map(family => familyState(family, plan, context)))
  return combineStates(states)
}

async function familyState(
  family: Family,
  plan: RulePlan,
  context: ApplyContext
): Promise<RuleState & { planned: boolean }> {
  const rules = plan[family] ?? []
  const planned = rules.length > 0
  const saved = await readSaved(family, context)
  const residue = hasResidue(saved)
  if (differsInShape(rules, saved)) return { planned, residue, delta: true }
  const binary = context.binaries[family]
  for (const rule of binary === undefined ? [] : rules) {
    const check = await single(binary!, ['-t', rule.table, ...ruleArguments(rule, 'check')], context)
    if (check !== 0) return { planned, residue, delta: true }
  }
  return { planned, residue, delta: false }
}

/** A failed read counts as an empty namespace. */
async function readSaved(family: Family, context: ApplyContext): Promise<SavedRules> {
  const binary = context.binaries[family]
  if (binary === undefined) return new Map()
  const result = await context.commands.attempt(context.netns, `${binary.command}-save`, [])
  if (result.code !== 0) {
    context.log.warn(
      `cannot read the rules of ${context.subject}: ${commandFailed(`${binary.command}-save`, [], result).message}`
    )
    return new Map()
  }
  return parseSavedRules(result.stdout)
}

/** Tries both families and reports the failures of both. */
async function restore(plan: RulePlan, context: ApplyContext): Promise<void> {
  const results = await Promise.allSettled(
    families.map(async family => {
      const rules = plan[family] ?? []
      if (rules.length > 0) await restoreInput(requireBinary(family, context), restoreText(rules), context)
    })
  )
  const errors = results.filter(result => result.status === 'rejected').map(result => result.reason)
  if (errors.length === 0) return
  throw new IptablesError(
    'IPTABLES_COMMAND_FAILED',
    `cannot put rules into ${context.subject}: ${errors.map(message).join('; ')}`,
    { cause: errors.length === 1 ? errors[0] : new AggregateError(errors) }
  )
}

export async function restoreInput(binary: IptablesBinary, text: string, context: ApplyContext): Promise<void> {
  const args = ['--noflush', '-v', ...binary.waitArguments]
  await context.commands.require(context.netns, `${binary.command}-restore`, args, text)
}

async function reconcile(plan: RulePlan, context: ApplyContext): Promise<void> {
  context.log.info(`rules of ${context.subject} differ from the plan and are replaced`)
  const guarded = families.filter(family => (plan[family] ?? []).length > 0)
  const complete: Family[] = []
  try {
    for (const family of guarded) {
      const binary = requireBinary(family, context)
      for (const args of guardrailDeletes) await single(binary, args, context)
      for (const args of guardrailInserts) await requireSingle(binary, args, context)
      complete.push(family)
    }
    for (const family of guarded) {
      for (const args of cleanupOfPlan(plan[family]!)) await single(requireBinary(family, context), args, context)
    }
    for (const family of families) await removeLeftovers(family, context)
    await restore(plan, context)
  } finally {
    if (complete.length > 0) {
      for (const family of guarded) {
        for (const args of guardrailDeletes) await single(requireBinary(family, context), args, context)
      }
    }
  }
}

async function removeLeftovers(family: Family, context: ApplyContext): Promise<void> {
  const binary = context.binaries[family]
  if (binary === undefined) return
  for (const args of cleanupOfSaved(await readSaved(family, context))) await single(binary, args, context)
}

/** Takes a plan away (the host's at stop and before it is made anew); what is absent is no error. */
export async function removePlan(plan: RulePlan, context: ApplyContext): Promise<void> {
  for (const family of families) {
    const binary = context.binaries[family]
    if (binary === undefined) continue
    for (const args of cleanupOfPlan(plan[family] ?? [])) await single(binary, args, context)
  }
}

/** One iptables command whose status the caller judges. */
export async function single(binary: IptablesBinary, args: readonly string[], context: ApplyContext): Promise<number> {
  // `-C` takes the lock too, but a check that cannot get it at once only leads to a restore that waits.
  const wait = args.includes('-C') ? [] : binary.waitArguments
  return (await context.commands.attempt(context.netns, binary.command, [...args, ...wait])).code
}

async function requireSingle(binary: IptablesBinary, args: readonly string[], context: ApplyContext): Promise<void> {
  await context.commands.require(context.netns, binary.command, [...args, ...binary.waitArguments])
}

function requireBinary(family: Family, context: ApplyContext): IptablesBinary {
  const binary = context.binaries[family]
  if (binary) return binary
  throw new IptablesError('IPTABLES_NO_BINARY', `no usable iptables program for ${family}`)
}

export { families, readSaved }
