import { CniError, cniErrorCodes } from './cni-error.ts'
import { quoted } from './go-json.ts'

export const supportedVersions: readonly string[] = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

const newestVersion = '1.1.0'

/** Versions whose results have the same shape (docs/spec/cni.md 2.3). */
export type VersionFamily = '0.1' | '0.3' | '1.0'

export function familyOf(version: string): VersionFamily | undefined {
  if (['', '0.1.0', '0.2.0'].includes(version)) return '0.1'
  if (['0.3.0', '0.3.1', '0.4.0'].includes(version)) return '0.3'
  return ['1.0.0', '1.1.0'].includes(version) ? '1.0' : undefined
}

/** What `CNI_COMMAND=VERSION` prints, newline included. */
export function versionReport(): string {
  return `${JSON.stringify({ cniVersion: newestVersion, supportedVersions })}\n`
}

/** What goes to standard error when somebody runs the plugin by hand. */
export function about(pluginVersion: string): string {
  return `CNI plugin istio-cni ${pluginVersion}\nCNI protocol versions supported: ${supportedVersions.join(', ')}\n`
}

export function requireSupported(version: string): void {
  if (supportedVersions.includes(version)) return
  const list = supportedVersions.map(quoted).join(' ')
  throw new CniError(
    cniErrorCodes.incompatibleVersion,
    'incompatible CNI versions',
    `config is ${quoted(version)}, plugin supports [${list}]`
  )
}

/** CHECK needs 0.4.0, GC and STATUS need 1.1.0; nothing newer than this plugin will do either. */
export function requireVerb(verb: string, version: string, lowest: string): void {
  const parsed = parseVersion(version)
  const refuse = (whose: string): CniError =>
    new CniError(cniErrorCodes.incompatibleVersion, `${whose} version does not allow ${verb}`)
  if (compare(parsed, parseVersion(lowest)) < 0) throw refuse('config')
  if (compare(parsed, parseVersion(newestVersion)) > 0) throw refuse('plugin')
  requireSupported(version)
}

function parseVersion(version: string): number[] {
  const parts = version.split('.')
  if (parts.length > 3 || !parts.every(part => /^\d{1,9}$/.test(part))) {
    throw new CniError(
      cniErrorCodes.undecodableConfig,
      `cannot read version ${quoted(version)}: want numbers like 1.0.0`
    )
  }
  return parts.map(Number)
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
