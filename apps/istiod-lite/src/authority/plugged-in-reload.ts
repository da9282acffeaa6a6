import { watch } from 'node:fs'
import { parseCertificates } from '@culvert/spiffe'
import type { Logger } from '@culvert/telemetry'
import type { AuthorityState } from './authority-state.ts'
import type { KeyMaterial } from './key-material.ts'
import { readPluggedInCa } from './plugged-in-ca.ts'

const collectMs = 100

export type ReloadStep =
  | { readonly kind: 'keep' }
  | { readonly kind: 'replace'; readonly material: KeyMaterial }
  | { readonly kind: 'refuse'; readonly reason: string }

const fingerprints = (bundle: string): Set<string> =>
  new Set(parseCertificates(bundle).map(({ fingerprint256 }) => fingerprint256))

/** What changed files mean for the CA in force (docs/spec/identity-ca.md 3.5, plugged-in reload). */
export function reloadStep(current: KeyMaterial, found: KeyMaterial | undefined, multiRoot: boolean): ReloadStep {
  if (found === undefined) return { kind: 'refuse', reason: 'the CA files are gone' }
  const [before, after] = [fingerprints(current.rootBundle), fingerprints(found.rootBundle)]
  const within = (a: Set<string>, b: Set<string>): boolean => [...a].every(entry => b.has(entry))
  const [grown, shrunk] = [within(before, after), within(after, before)]
  const sameRoots = grown && shrunk
  const related = grown || shrunk
  if (!sameRoots && !(multiRoot && related)) {
    return {
      kind: 'refuse',
      reason: 'the root bundle changed, which needs ISTIO_MULTIROOT_MESH=true and one bundle within the other'
    }
  }
  // A withdrawn or emptied revocation list does not take back what it revoked.
  const material = { ...found, crl: found.crl.trim() === '' ? current.crl : found.crl }
  const same = (Object.keys(material) as (keyof KeyMaterial)[]).every(key => material[key] === current[key])
  return same ? { kind: 'keep' } : { kind: 'replace', material }
}

/** Follows the files of a plugged-in CA; whatever cannot be used leaves the old one in force. */
export function watchPluggedInCa(options: {
  readonly directory: string
  readonly state: AuthorityState
  readonly multiRoot: boolean
  readonly log: Logger
  readonly signal: AbortSignal
}): void {
  const { directory, state, multiRoot, log, signal } = options
  let timer: NodeJS.Timeout | undefined

  async function reload(): Promise<void> {
    const step = reloadStep(state.material, readPluggedInCa(directory), multiRoot)
    if (step.kind === 'refuse') log.warn(`kept the CA in force: ${step.reason}`)
    if (step.kind !== 'replace') return
    await state.replace(step.material)
    log.info(`loaded the changed CA of ${directory}`)
  }
  const watcher = watch(directory, { signal }, () => {
    // Several files change one after the other; what is read between two of them would not fit together.
    timer ??= setTimeout(() => {
      timer = undefined
      reload().catch(error => log.warn(`kept the CA in force: ${(error as Error).message}`))
    }, collectMs)
  })
  watcher.on('error', error => log.warn(`no longer watching ${directory}: ${error.message}`))
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
}
