import type { Netns } from '@culvert/netns'
import type { CaptureBackend } from './choose-backend.ts'
import { type CaptureLog, createCommands, type RunProgram } from './commands.ts'
import { createIptablesCapture } from './iptables-capture.ts'
import { createNftablesCapture } from './nftables-capture.ts'
import type { PodOverrides } from './pod-overrides.ts'
import type { CaptureSettings } from './pod-rules.ts'
import type { ProbeAddressSet } from './probe-addresses.ts'

/** The kernel state of capture on one node, through one back end. */
export interface TrafficCapture {
  readonly backend: CaptureBackend
  /** Puts routes and rules into a pod; repeatable. After a rejection what was applied stays. */
  createPodRules(pod: Netns, overrides: PodOverrides, subject?: string): Promise<void>
  /** Takes them away from a pod that goes on running. */
  deletePodRules(pod: Netns, subject?: string): Promise<void>
  createHostRules(): Promise<void>
  /** What is absent is no error. */
  deleteHostRules(): Promise<void>
  readonly probeAddresses: ProbeAddressSet
}

export interface TrafficCaptureOptions {
  readonly backend: CaptureBackend
  readonly settings: CaptureSettings
  /** Pods whose rules differ from the plan are brought to it; otherwise rules are only ever added. */
  readonly reconcile: boolean
  /** The host's network namespace; undefined: this process's. */
  readonly host: Netns | undefined
  readonly log: CaptureLog
  /** Only these iptables programs (`FORCE_IPTABLES_BINARY`). */
  readonly forcedIptables?: 'legacy' | 'nft' | undefined
  /** The host's /proc, where the nftables back end looks for the kubelet. */
  readonly procRoot: string
  readonly run?: RunProgram | undefined
}

/** Detects what the back end needs on this node. Rejects if that is missing. */
export async function createTrafficCapture(options: TrafficCaptureOptions): Promise<TrafficCapture> {
  const commands = createCommands({ log: options.log, run: options.run })
  return options.backend === 'iptables'
    ? createIptablesCapture({ ...options, commands })
    : createNftablesCapture({ ...options, commands })
}
