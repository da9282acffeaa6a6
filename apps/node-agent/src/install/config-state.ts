import { isNetworkConfig, pluginType, pluginTypes, topLevelType } from './network-config.ts'

export type ConfigMode =
  | { readonly kind: 'standalone' }
  | { readonly kind: 'chained' }
  /** Chained into a file of our own, which sorts before the primary one and outlives the agent. */
  | { readonly kind: 'own'; readonly fileName: string }

/** What the installer remembers between passes (docs/spec/cni.md 3.3). */
export interface ConfigState {
  /** Path of the file written last; empty at the start. */
  readonly written: string
  /** Name of the primary configuration: given, or found by the installer itself; empty if neither. */
  readonly primary: string
}

/** A configuration directory as read: file name → content, directories left out. */
export type ConfigDirectory = ReadonlyMap<string, string>

export interface Validity {
  readonly valid: boolean
  readonly state: ConfigState
  readonly warnings: readonly string[]
}

/** Valid configuration files in byte order: the first is what the runtime takes. */
export function configNames(files: ConfigDirectory): string[] {
  return [...files.keys()].filter(name => isNetworkConfig(name, files.get(name)!)).sort(byteOrder)
}

/** The check of 3.3, its steps in order. */
export function checkConfig(dir: string, files: ConfigDirectory, mode: ConfigMode, state: ConfigState): Validity {
  const names = configNames(files)
  const [first] = names
  const warnings = [...files.keys()]
    .filter(name => !names.includes(name))
    .map(name => `${name} is skipped: it is no CNI configuration`)
  const invalid = (changed: Partial<ConfigState> = {}): Validity => ({
    valid: false,
    state: { ...state, ...changed },
    warnings
  })
  if (first === undefined) return invalid()

  if (mode.kind === 'own' && first !== mode.fileName) {
    if (byteOrder(first, mode.fileName) < 0) {
      warnings.push(`CNI configuration ${first} sorts before ${mode.fileName}: the mesh may be bypassed`)
    }
    return invalid(state.primary === '' ? { primary: first } : {})
  }
  const writtenName = state.written === '' ? '' : state.written.slice(dir.length + 1)
  if (first !== writtenName) {
    if (state.primary === '' && mode.kind !== 'standalone') {
      return invalid({ primary: mode.kind === 'own' ? (names[1] ?? '') : first })
    }
    warnings.push(`CNI configuration ${state.written || '(none yet)'} is preempted by ${first}`)
  }
  const content = files.get(writtenName)
  if (content === undefined) return invalid()
  if (mode.kind === 'standalone')
    return topLevelType(content) === pluginType ? { valid: true, state, warnings } : invalid()

  const types = pluginTypes(content)
  if (!types?.includes(pluginType)) return invalid()
  if (mode.kind === 'chained') return { valid: true, state, warnings }

  const primary = state.primary || (names[1] ?? '')
  const primaryTypes = pluginTypes(files.get(primary) ?? '')
  const complete = primaryTypes?.every(type => types.includes(type)) === true
  return { valid: complete, state: { ...state, primary }, warnings }
}

const byteOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
