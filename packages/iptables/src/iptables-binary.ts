import type { Netns } from '@culvert/netns'
import type { Commands } from './commands.ts'
import type { Family } from './constants.ts'
import { IptablesError } from './errors.ts'

/** A set of iptables programs that works here: `command`, `command-save`, `command-restore`. */
export interface IptablesBinary {
  readonly command: string
  /** `1.8.9`; `0.0.0` for programs too old to say. */
  readonly version: string
  readonly variant: 'legacy' | 'nft'
  /** Last arguments of writing commands: `--wait=30` for a legacy binary that knows it. */
  readonly waitArguments: readonly string[]
}

export type IptablesBinaries = Readonly<Partial<Record<Family, IptablesBinary>>>

export interface DetectOptions {
  readonly commands: Commands
  /** Where to try them: the host's namespace. The result is used in all pods. */
  readonly netns: Netns | undefined
  readonly forced?: 'legacy' | 'nft' | undefined
}

const prefixes: Readonly<Record<Family, string>> = { ipv4: 'iptables', ipv6: 'ip6tables' }

/**
 * Which programs to use (docs/spec/capture.md 7.1). Legacy wins where it is in use already (it has rules), because the
 * kernel runs both sets and rules split over the two are hard to reason about; otherwise nft; otherwise what the plain
 * name is.
 */
export async function detectIptables(family: Family, options: DetectOptions): Promise<IptablesBinary> {
  const prefix = prefixes[family]
  if (options.forced !== undefined) return await probe(`${prefix}-${options.forced}`, options)
  const legacy = await tryProbe(`${prefix}-legacy`, options, saved => hasRules(saved))
  if (legacy) return legacy
  const nft = await tryProbe(`${prefix}-nft`, options)
  return nft ?? (await probe(prefix, options))
}

async function tryProbe(
  name: string,
  options: DetectOptions,
  wanted?: (saved: string) => boolean
): Promise<IptablesBinary | undefined> {
  try {
    return await probe(name, options, wanted)
  } catch (error) {
    if (error instanceof IptablesError) return undefined
    throw error
  }
}

async function probe(
  name: string,
  { commands, netns }: DetectOptions,
  wanted: (saved: string) => boolean = () => true
): Promise<IptablesBinary> {
  const unusable = (why: string): IptablesError =>
    new IptablesError('IPTABLES_NO_BINARY', `iptables program '${name}' is not usable: ${why}`)

  const saved = await commands.attempt(netns, `${name}-save`, [])
  if (saved.code !== 0) throw unusable(`'${name}-save' ends with status ${saved.code}: ${saved.stderr.trim()}`)
  // Asked before the trial rule, which would make the kernel load tables for programs that are not going to be used.
  if (!wanted(saved.stdout)) throw unusable('it has no rules')

  const binary = await versionOf(name, commands, netns)
  if (binary === undefined) throw unusable(`'${name}-save --version' names no version`)

  const trial = ['-t', 'nat', '-A', 'INPUT', '-p', '255', '-j', 'RETURN']
  const added = await commands.attempt(netns, name, [...trial, ...binary.waitArguments])
  if (added.code !== 0 || added.stderr.includes('does not exist')) {
    throw unusable(`a trial rule in table nat was refused: ${added.stderr.trim()}`)
  }
  await commands.attempt(netns, name, [...trial.map(word => (word === '-A' ? '-D' : word)), ...binary.waitArguments])
  return binary
}

async function versionOf(
  command: string,
  commands: Commands,
  netns: Netns | undefined
): Promise<IptablesBinary | undefined> {
  const result = await commands.attempt(netns, `${command}-save`, ['--version'])
  if (result.code !== 0 || result.stderr.includes('unrecognized option')) return binaryOf(command, '0.0.0', 'legacy')
  const version = /v([0-9]+(\.[0-9]+)+)/.exec(result.stdout)?.[1]
  if (version === undefined) return undefined
  return binaryOf(command, version, result.stdout.includes('nf_tables') ? 'nft' : 'legacy')
}

function binaryOf(command: string, version: string, variant: 'legacy' | 'nft'): IptablesBinary {
  const waits = variant === 'legacy' && atLeast(version, [1, 6, 2])
  return { command, version, variant, waitArguments: waits ? ['--wait=30'] : [] }
}

function atLeast(version: string, wanted: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, want] of wanted.entries()) {
    const have = parts[index] ?? 0
    if (have !== want) return have > want
  }
  return true
}

function hasRules(saved: string): boolean {
  return saved.split('\n').length - 1 >= 3
}
