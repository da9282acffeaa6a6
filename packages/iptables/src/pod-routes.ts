import fs from 'node:fs'
import { inNetns, type Netns } from '@culvert/netns'
import { type CaptureLog, type Commands, commandFailed, message } from './commands.ts'
import { type Family, markMask, policyRulePriority, returnPathMark, routeTable } from './constants.ts'

// ztunnel connects to the application with the client's address. The answer goes to that foreign address; its mark
// (copied from conntrack) selects this table, which makes it a local delivery, so that ztunnel's transparent socket
// gets it. Without the policy rule such a connection times out.
const policyRule = `fwmark ${returnPathMark}/${markMask} pref ${policyRulePriority} lookup ${routeTable}`
const localRoute: Readonly<Record<Family, string>> = {
  ipv4: `local 0.0.0.0/0 dev lo table ${routeTable} scope host`,
  ipv6: `local ::/0 dev lo table ${routeTable}`
}

export interface RouteContext {
  readonly commands: Commands
  readonly log: CaptureLog
  readonly ipv6: boolean
}

/** Adds route and policy rule per family; what is there already stays. */
export async function addPodRoutes(pod: Netns, context: RouteContext): Promise<void> {
  await forFamilies(pod, context, async (family, withRoute) => {
    await ipBatch(family, [...(withRoute ? [`route replace ${localRoute[family]}`] : []), `rule add ${policyRule}`], {
      pod,
      commands: context.commands,
      tolerated: 'File exists'
    })
  })
}

/** Removes both; either being absent is an error. */
export async function deletePodRoutes(pod: Netns, context: RouteContext): Promise<void> {
  await forFamilies(pod, context, async (family, withRoute) => {
    await ipBatch(family, [`rule del ${policyRule}`, ...(withRoute ? [`route del ${localRoute[family]}`] : [])], {
      pod,
      commands: context.commands
    })
  })
}

async function forFamilies(
  pod: Netns,
  context: RouteContext,
  act: (family: Family, withRoute: boolean) => Promise<void>
): Promise<void> {
  const work = [act('ipv4', true)]
  if (context.ipv6) work.push(act('ipv6', loopbackHasIpv6(pod, context.log)))
  // Both end before this does: a namespace handle must not be closed under a running command.
  const results = await Promise.allSettled(work)
  const failed = results.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}

/** Whether an IPv6 route over `lo` is possible. Unreadable is only a warning: the route is then tried. */
function loopbackHasIpv6(pod: Netns, log: CaptureLog): boolean {
  const path = '/proc/sys/net/ipv6/conf/lo/disable_ipv6'
  try {
    return inNetns(pod, () => fs.readFileSync(path, 'utf8')).trim() !== '1'
  } catch (error) {
    log.warn(`cannot read ${path} in the pod: ${message(error)}`)
    return true
  }
}

async function ipBatch(
  family: Family,
  lines: readonly string[],
  options: { pod: Netns; commands: Commands; tolerated?: string }
): Promise<void> {
  const args = [family === 'ipv4' ? '-4' : '-6', '-force', '-batch', '-']
  const result = await options.commands.attempt(options.pod, 'ip', args, `${lines.join('\n')}\n`)
  if (result.code === 0) return
  // With -force every line is tried; each failure gives its reason and then its line number.
  const reasons = result.stderr.split('\n').filter(line => line !== '' && !line.startsWith('Command failed'))
  const { tolerated } = options
  if (tolerated !== undefined && reasons.length > 0 && reasons.every(reason => reason.endsWith(tolerated))) return
  throw commandFailed('ip', [...args, `(${lines.join('; ')})`], result)
}
