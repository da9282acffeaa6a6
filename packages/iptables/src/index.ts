/**
 * Traffic capture: the rules that lead an ambient pod's traffic into ztunnel, as values and as kernel state.
 *
 *     const settings = { dnsCapture: true, ipv6: false, probe: defaultProbeAddresses }
 *     const text = restoreText(podRulePlan(podRules(settings), { ipv6: false }).ipv4 ?? [])   // pure
 *
 *     const capture = await createTrafficCapture({ backend: 'iptables', settings, reconcile: false, host, log, procRoot: '/proc' })
 *     await capture.createPodRules(pod, parsePodOverrides(annotations))                        // in the pod's namespace
 */
export { type CaptureBackend, type ChooseBackendOptions, chooseBackend } from './choose-backend.ts'
export type { CaptureLog, RunProgram } from './commands.ts'
export { defaultProbeAddresses, type Family, type ProbeAddresses, type Table } from './constants.ts'
export { IptablesError, type IptablesErrorCode } from './errors.ts'
export { hostRulePlan, type IptablesRule, podRulePlan, type RulePlan, restoreText } from './iptables-rules.ts'
export { findKubeletUid } from './kubelet-uid.ts'
export { podDeletion, podTransaction } from './nftables-text.ts'
export { noOverrides, type PodOverrides, parseBoolean, parsePodOverrides } from './pod-overrides.ts'
export { type CaptureSettings, type Chain, type PodRule, podRules } from './pod-rules.ts'
export type { ProbeAddressSet, ProbeEntry } from './probe-addresses.ts'
export { createTrafficCapture, type TrafficCapture, type TrafficCaptureOptions } from './traffic-capture.ts'
