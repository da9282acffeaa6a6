import type { credential, NativeCredential } from '@culvert/native-tunnel'
import type { Credential } from './data-path.ts'

/** What handshakes may use beyond the default (docs/spec/hbone.md 1.1). */
export interface TlsProfile {
  /** TLS 1.2 as well. */
  readonly tls12: boolean
  /** Key exchange by X25519MLKEM768 and nothing else. */
  readonly postQuantumOnly: boolean
}

type ParseCredential = typeof credential

/** Parsing PEM costs half a millisecond: done once for each of the few credentials in use. */
export class NativeCredentials {
  readonly #parse: ParseCredential
  readonly #profile: TlsProfile
  readonly #limit: number
  readonly #entries = new Map<string, { readonly credential: Credential; readonly native: NativeCredential }>()

  constructor(parse: ParseCredential, profile: TlsProfile, limit = 256) {
    this.#parse = parse
    this.#profile = profile
    this.#limit = limit
  }

  /** Ids tell renewals apart; the material is compared too, so that nobody gets another's certificate. */
  get(credential: Credential): NativeCredential {
    const known = this.#entries.get(credential.id)
    this.#entries.delete(credential.id)
    if (known !== undefined && sameMaterial(known.credential, credential)) {
      this.#entries.set(credential.id, known)
      return known.native
    }
    const { certificateChain, privateKey, roots, trustDomain } = credential
    const { tls12, postQuantumOnly } = this.#profile
    const native = this.#parse(certificateChain, privateKey, roots, trustDomain, tls12, postQuantumOnly)
    this.#entries.set(credential.id, { credential, native })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break
      this.#entries.delete(oldest)
    }
    return native
  }
}

function sameMaterial(a: Credential, b: Credential): boolean {
  return (
    a.privateKey === b.privateKey &&
    a.certificateChain === b.certificateChain &&
    a.roots === b.roots &&
    a.trustDomain === b.trustDomain
  )
}
