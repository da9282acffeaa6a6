import { Metadata, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js'
import type { CertificateAuthority } from './certificate-authority.ts'
import type { CertificateRequestMessage, CertificateResponseMessage } from './certificate-service.ts'
import { CertificateError, type CertificateErrorCode } from './errors.ts'

export interface CertificateHandlerOptions<Caller> {
  /** Undefined refuses: no authenticator accepted the call. */
  readonly authenticate: (
    call: ServerUnaryCall<CertificateRequestMessage, CertificateResponseMessage>
  ) => Promise<Caller | undefined>
  /** The names that a caller gets without impersonation. */
  readonly identities: (caller: Caller) => readonly string[]
  /** May the caller have a certificate for `wanted`? The reason is for the log alone. */
  readonly impersonate: (
    caller: Caller,
    wanted: string,
    metadata: Metadata
  ) => { readonly allowed: true } | { readonly allowed: false; readonly reason: string }
  /** Undefined while the CA is not ready. */
  readonly authority: () => CertificateAuthority | undefined
  readonly onResult?: (result: CertificateResult) => void
}

export type CertificateResult =
  | { readonly kind: 'issued'; readonly sans: readonly string[] }
  | { readonly kind: 'unauthenticated'; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: CertificateErrorCode | 'CA_NOT_READY'; readonly reason: string }

/** Authentication first, then impersonation, then the request itself (docs/spec/identity-ca.md 2.4). */
export function createCertificateHandler<Caller>(
  options: CertificateHandlerOptions<Caller>
): (
  call: ServerUnaryCall<CertificateRequestMessage, CertificateResponseMessage>,
  answer: sendUnaryData<CertificateResponseMessage>
) => void {
  const { authenticate, identities, impersonate, authority, onResult } = options

  async function sign(
    call: ServerUnaryCall<CertificateRequestMessage, CertificateResponseMessage>
  ): Promise<CertificateResponseMessage> {
    const caller = await authenticate(call)
    if (caller === undefined) throw refused('request authenticate failure', 'no authenticator accepted the call')
    const { csr, validitySeconds, impersonatedIdentity: wanted } = call.request
    if (wanted !== undefined) {
      const verdict = impersonate(caller, wanted, call.metadata)
      if (!verdict.allowed) throw refused('request impersonation authentication failure', verdict.reason)
    }
    const ca = authority()
    if (ca === undefined) throw failed('CA_NOT_READY', 'Istio CA is not ready')
    const sans = wanted === undefined ? identities(caller) : [wanted]
    const certChain = await ca.sign({ csr, sans, ttlSeconds: validitySeconds }).catch((error: Error) => {
      throw failed(error instanceof CertificateError ? error.code : 'CERT_GEN_ERROR', error.message)
    })
    onResult?.({ kind: 'issued', sans })
    return { certChain }
  }

  return (call, answer) => {
    sign(call).then(
      response => answer(null, response),
      (error: Error) => {
        const failure = error instanceof Refusal ? error : failed('CERT_GEN_ERROR', error.message)
        onResult?.(failure.result)
        answer({ code: failure.status, details: failure.message, metadata: new Metadata() })
      }
    )
  }
}

class Refusal extends Error {
  readonly status: status
  readonly result: CertificateResult

  constructor(code: status, message: string, result: CertificateResult) {
    super(message)
    this.status = code
    this.result = result
  }
}

const refused = (message: string, reason: string): Refusal =>
  new Refusal(status.UNAUTHENTICATED, message, { kind: 'unauthenticated', reason })

const callerFaults: ReadonlySet<string> = new Set(['CSR_ERROR', 'TTL_ERROR'])

const failed = (code: CertificateErrorCode | 'CA_NOT_READY', reason: string): Refusal =>
  new Refusal(callerFaults.has(code) ? status.INVALID_ARGUMENT : status.INTERNAL, `CSR signing error (${reason})`, {
    kind: 'failed',
    code,
    reason
  })
