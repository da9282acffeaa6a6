import { constants } from 'node:crypto'
import tls from 'node:tls'
import { HboneError } from './errors.ts'

/** A certificate with its key and the roots that came with it, all PEM. `id` changes with every renewal. */
export interface Credential {
  readonly id: string
  /** Leaf first, then intermediates; never the root. */
  readonly certificateChain: string
  readonly privateKey: string
  readonly roots: string
  /** Trust domain of the leaf; undefined when the leaf names no SPIFFE id: then the peer's is not checked. */
  readonly trustDomain: string | undefined
}

/** docs/spec/hbone.md 1.1, for both roles. */
const tlsSettings: tls.SecureContextOptions = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256',
  ecdhCurve: 'X25519:P-256:P-384:X25519MLKEM768',
  // Node keeps no session cache of its own, so with stateless tickets off no handshake can be resumed.
  secureOptions: constants.SSL_OP_NO_TICKET
}

export function secureContextOptions(credential: Credential): tls.SecureContextOptions {
  return {
    ...tlsSettings,
    cert: credential.certificateChain,
    key: credential.privateKey,
    ca: credential.roots
  }
}

/** Wraps what OpenSSL says about unusable PEM. */
export function credentialError(credential: Credential, cause: unknown): HboneError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new HboneError('HBONE_CREDENTIAL', `credential '${credential.id}' cannot be used: ${reason}`, { cause })
}

/**
 * Keeps what is costly to make from a credential (parsing PEM, 0.4 ms) for the few credentials in use. Ids tell
 * renewals apart; the key is compared too, so that two identities sharing an id cannot get each other's certificate.
 */
export class CredentialCache<T> {
  readonly #make: (credential: Credential) => T
  readonly #limit: number
  readonly #entries: Map<string, { readonly credential: Credential; readonly value: T }> = new Map()

  constructor(make: (credential: Credential) => T, limit = 64) {
    this.#make = make
    this.#limit = limit
  }

  get(credential: Credential): T {
    const known = this.#entries.get(credential.id)
    if (known !== undefined && sameMaterial(known.credential, credential)) {
      this.#entries.delete(credential.id)
      this.#entries.set(credential.id, known)
      return known.value
    }
    const value = this.#make(credential)
    this.#entries.delete(credential.id)
    this.#entries.set(credential.id, { credential, value })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break
      this.#entries.delete(oldest)
    }
    return value
  }
}

function sameMaterial(a: Credential, b: Credential): boolean {
  return a.privateKey === b.privateKey && a.certificateChain === b.certificateChain && a.roots === b.roots
}
