import type { Netns } from '@culvert/netns'
import {
  type ApplyContext,
  applyRules,
  families,
  readSaved,
  removePlan,
  restoreInput,
  single
} from './apply-iptables.ts'
import { unenrolCommands, unenrolText } from './cleanup-rules.ts'
import { type Commands, message } from './commands.ts'
import { createIpsets } from './ipset.ts'
import { detectIptables, type IptablesBinaries } from './iptables-binary.ts'
import { hostRulePlan, podRulePlan } from './iptables-rules.ts'
import { addPodRoutes, deletePodRoutes } from './pod-routes.ts'
import { podRules } from './pod-rules.ts'
import type { TrafficCapture, TrafficCaptureOptions } from './traffic-capture.ts'

export async function createIptablesCapture(
  options: TrafficCaptureOptions & { commands: Commands }
): Promise<TrafficCapture> {
  const { commands, log, settings, host } = options
  const { ipv6 } = settings
  const binaries = await detectBinaries(options)
  const context = (netns: Netns | undefined, subject: string): ApplyContext => ({
    commands,
    binaries,
    log,
    netns,
    subject
  })
  const hostPlan = hostRulePlan(settings.probe, { ipv6 })

  return {
    backend: 'iptables',
    probeAddresses: createIpsets({ netns: host, ipv6, commands }),

    async createPodRules(pod, overrides, subject = 'the pod') {
      const plan = podRulePlan(podRules(settings, overrides), { ipv6 })
      await addPodRoutes(pod, { commands, log, ipv6 })
      await applyRules(plan, context(pod, subject), { reconcile: options.reconcile })
    },

    async deletePodRules(pod, subject = 'the pod') {
      await Promise.all((ipv6 ? families : (['ipv4'] as const)).map(family => unenrol(family, context(pod, subject))))
      await deletePodRoutes(pod, { commands, log, ipv6 })
    },

    // The host configuration is never reconciled: other programs' rules live there too.
    createHostRules: () => applyRules(hostPlan, context(host, 'the host'), { reconcile: false }),
    deleteHostRules: () => removePlan(hostPlan, context(host, 'the host'))
  }
}

async function unenrol(family: 'ipv4' | 'ipv6', context: ApplyContext): Promise<void> {
  const binary = context.binaries[family]
  if (binary === undefined) return
  const text = unenrolText(await readSaved(family, context))
  if (text === undefined) return
  try {
    await restoreInput(binary, text, context)
  } catch (error) {
    // Something refers to our chains that we did not expect: take away what can be taken.
    context.log.warn(`removing rules from ${context.subject} one by one: ${message(error)}`)
    for (const args of unenrolCommands()) await single(binary, args, context)
  }
}

async function detectBinaries(options: TrafficCaptureOptions & { commands: Commands }): Promise<IptablesBinaries> {
  const { commands, log, host } = options
  const detection = { commands, netns: host, forced: options.forcedIptables }
  const ipv4 = await detectIptables('ipv4', detection)
  log.info(`using ${ipv4.command} ${ipv4.version} (${ipv4.variant})`)
  try {
    const ipv6 = await detectIptables('ipv6', detection)
    log.info(`using ${ipv6.command} ${ipv6.version} (${ipv6.variant})`)
    return { ipv4, ipv6 }
  } catch (error) {
    if (options.settings.ipv6) throw error
    log.warn(`no ip6tables, which is not needed as IPv6 is off: ${message(error)}`)
    return { ipv4 }
  }
}
