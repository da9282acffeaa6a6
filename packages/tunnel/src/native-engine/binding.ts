import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type {
  ConnectionId,
  Credential,
  Direct,
  Endpoint,
  Failure,
  HeaderField,
  Hop,
  ListenerRole,
  PodOptions
} from '../data-path.ts'

/** What native/tunnel exports. Everything that crosses is a value; connections are named by id. */
export interface Binding {
  readonly Engine: new (threads: number, onEvents: (events: readonly NativeEvent[]) => void) => NativeEngine
  /** Throws what OpenSSL says about the PEM texts. */
  readonly credential: (
    certificateChain: string,
    privateKey: string,
    roots: string,
    trustDomain: string | undefined
  ) => NativeCredential
  /** Of the headers that it was compiled with. */
  readonly opensslVersion: string
}

declare const kind: unique symbol
/** A parsed credential. */
export interface NativeCredential {
  readonly [kind]: 'credential'
}

type PodId = number

export interface NativeEngine {
  /** Throws with the text of the log when an address cannot be bound. */
  open: (settings: NativePodSettings) => {
    readonly pod: PodId
    readonly listeners: readonly Endpoint[]
    readonly originalSource: boolean
  }
  decide: (pod: PodId, id: ConnectionId, decision: NativeDecision) => void
  giveCredential: (pod: PodId, id: ConnectionId, credential: NativeCredential | undefined) => void
  cut: (pod: PodId, id: ConnectionId) => void
  drain: (pod: PodId) => void
  drainDeadline: (pod: PodId) => void
  close: (pod: PodId) => void
  /** Hands what was asked for since the last call to the data threads, as one batch. */
  flush: () => void
  /** Ends the threads; delivers what they still had to say. */
  stop: () => void
}

export interface NativePodSettings extends Omit<PodOptions, 'netns'> {
  /** A descriptor, used within the call; -1: the process's own. */
  readonly netns: number
  readonly listeners: readonly { readonly role: ListenerRole; readonly ip: string; readonly port: number }[]
}

export type NativeHop = Omit<Hop, 'credential'> & { readonly credential: NativeCredential }

export type NativeDecision =
  | { readonly kind: 'refuse'; readonly failure?: Failure }
  | { readonly kind: 'answer'; readonly status: number }
  | Direct
  | { readonly kind: 'tunnel'; readonly to: Endpoint; readonly outer: NativeHop; readonly inner?: NativeHop }

export type NativeEvent = { readonly pod: PodId } & (
  | {
      readonly kind: 'connection'
      readonly id: ConnectionId
      readonly role: 'outbound' | 'inbound-plaintext'
      readonly source: Endpoint
      readonly destination: Endpoint
    }
  | {
      readonly kind: 'stream'
      readonly id: ConnectionId
      readonly source: Endpoint
      readonly local: Endpoint
      readonly peerIdentity?: string
      readonly method: string
      readonly authority?: string
      readonly headers: readonly HeaderField[]
    }
  | { readonly kind: 'credential'; readonly id: ConnectionId; readonly peer: Endpoint; readonly local: Endpoint }
  | { readonly kind: 'handshake-failed'; readonly peer: Endpoint; readonly local: Endpoint; readonly message: string }
  | { readonly kind: 'socket'; readonly role: ListenerRole; readonly open: boolean }
  | {
      readonly kind: 'opened'
      readonly id: ConnectionId
      readonly peerIdentity?: string
      readonly baggage: readonly string[]
    }
  | { readonly kind: 'progress'; readonly id: ConnectionId; readonly fromClient: number; readonly toClient: number }
  | {
      readonly kind: 'closed'
      readonly id: ConnectionId
      readonly fromClient: number
      readonly toClient: number
      readonly duration: number
      readonly failure?: Failure
    }
  | { readonly kind: 'ended'; readonly finished: number; readonly cut: number }
  | { readonly kind: 'warning'; readonly message: string }
)

/** Loaded when an engine is first asked for, so that this package can be used without the add-on. */
export function loadBinding(): Binding {
  const file = fileURLToPath(
    new URL(`../../../../native/tunnel/build/tunnel-linux-${process.arch}.node`, import.meta.url)
  )
  const binding = createRequire(import.meta.url)(file) as Binding
  // The add-on uses the OpenSSL inside Node: another major or minor version has other structures behind the same names.
  const [built, running] = [binding.opensslVersion, process.versions.openssl].map(version =>
    version.split('.').slice(0, 2).join('.')
  )
  if (built !== running) {
    throw new Error(`the tunnel engine was built for OpenSSL ${built}; this is Node with OpenSSL ${running}`)
  }
  return binding
}

/** Parsing PEM costs half a millisecond: done once for each of the few credentials in use. */
export class NativeCredentials {
  readonly #parse: Binding['credential']
  readonly #limit: number
  readonly #entries = new Map<string, { readonly credential: Credential; readonly native: NativeCredential }>()

  constructor(parse: Binding['credential'], limit = 256) {
    this.#parse = parse
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
    const native = this.#parse(certificateChain, privateKey, roots, trustDomain)
    this.#entries.set(credential.id, { credential, native })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break
      this.#entries.delete(oldest)
    }
    return native
  }
}

function sameMaterial(a: Credential, b: Credential): boolean {
  return a.privateKey === b.privateKey && a.certificateChain === b.certificateChain && a.roots === b.roots
}
