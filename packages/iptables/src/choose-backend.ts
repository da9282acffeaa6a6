import type { Netns } from '@culvert/netns'
import { type CaptureLog, createCommands, message, type RunProgram } from './commands.ts'
import { probeSetNames } from './constants.ts'

export type CaptureBackend = 'iptables' | 'nftables'

export interface ChooseBackendOptions {
  /** Wanted by the node's settings (`NATIVE_NFTABLES`). */
  readonly nativeNftables: boolean
  readonly ipv6: boolean
  /** The host's namespace. */
  readonly netns: Netns | undefined
  readonly log: CaptureLog
  readonly run?: RunProgram
}

/**
 * Native nftables if wanted, unless an older agent's ipsets are still on the host (its pods hold iptables rules) or nft
 * has no JSON (docs/spec/capture.md 6.5). A test that itself fails keeps nftables, with a warning.
 */
export async function chooseBackend(options: ChooseBackendOptions): Promise<CaptureBackend> {
  if (!options.nativeNftables) return 'iptables'
  const { netns, ipv6, log } = options
  const commands = createCommands({ log, run: options.run, timeoutMs: 5000 })
  try {
    for (const name of ipv6 ? [probeSetNames.ipv4, probeSetNames.ipv6] : [probeSetNames.ipv4]) {
      if ((await commands.attempt(netns, 'ipset', ['list', '-name', name])).code === 0) {
        log.warn(`native nftables is wanted, but ipset ${name} of an iptables installation exists: using iptables`)
        return 'iptables'
      }
    }
  } catch (error) {
    log.warn(`cannot look for ipsets: ${message(error)}`)
  }
  try {
    const { code, stdout, stderr } = await commands.attempt(netns, 'nft', ['--json', 'list', 'tables'])
    if ((stdout + stderr).includes('JSON support not compiled-in')) {
      log.warn('native nftables is wanted, but nft has no JSON support: using iptables')
      return 'iptables'
    }
    if (code !== 0) log.warn(`'nft --json list tables' ended with status ${code}: ${stderr.trim()}`)
  } catch (error) {
    log.warn(`cannot test nft: ${message(error)}`)
  }
  return 'nftables'
}
