import { type Commands, message } from './commands.ts'
import { findKubeletUid } from './kubelet-uid.ts'
import { createNftSets } from './nft-set.ts'
import { hostRuleDeletion, hostTransaction, podDeletion, podTransaction } from './nftables-text.ts'
import { addPodRoutes, deletePodRoutes } from './pod-routes.ts'
import { podRules } from './pod-rules.ts'
import type { TrafficCapture, TrafficCaptureOptions } from './traffic-capture.ts'

export function createNftablesCapture(options: TrafficCaptureOptions & { commands: Commands }): TrafficCapture {
  const { commands, log, settings, host } = options
  const { ipv6 } = settings
  const routes = { commands, log, ipv6 }

  return {
    backend: 'nftables',
    probeAddresses: createNftSets({ netns: host, ipv6, commands }),

    // One transaction that flushes and fills: repeating it changes nothing. Rules before routes, the reverse of iptables.
    async createPodRules(pod, overrides) {
      await commands.require(pod, 'nft', ['-f', '-'], podTransaction(podRules(settings, overrides)))
      await addPodRoutes(pod, routes)
    },

    async deletePodRules(pod, subject = 'the pod') {
      try {
        await commands.require(pod, 'nft', ['-f', '-'], podDeletion())
      } catch (error) {
        log.warn(`cannot remove the rules of ${subject}: ${message(error)}`)
      }
      await deletePodRoutes(pod, routes)
    },

    async createHostRules() {
      const kubeletUid = findKubeletUid(options.procRoot)
      const text = hostTransaction(settings.probe, { ipv6, kubeletUid })
      await commands.require(host, 'nft', ['-f', '-'], text)
    },

    async deleteHostRules() {
      await commands.require(host, 'nft', ['-f', '-'], hostRuleDeletion)
    }
  }
}
