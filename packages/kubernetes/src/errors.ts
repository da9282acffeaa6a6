/** Every way a call to the Kubernetes API, or getting ready for one, can fail. */
export type KubernetesErrorCode =
  | 'KUBERNETES_CONFIG'
  | 'KUBERNETES_UNREACHABLE'
  | 'KUBERNETES_TLS'
  | 'KUBERNETES_TIMEOUT'
  | 'KUBERNETES_ABORTED'
  | 'KUBERNETES_UNAUTHORIZED'
  | 'KUBERNETES_FORBIDDEN'
  | 'KUBERNETES_NOT_FOUND'
  | 'KUBERNETES_CONFLICT'
  | 'KUBERNETES_ALREADY_EXISTS'
  | 'KUBERNETES_GONE'
  | 'KUBERNETES_INVALID'
  | 'KUBERNETES_TOO_MANY_REQUESTS'
  | 'KUBERNETES_SERVER_ERROR'
  | 'KUBERNETES_BAD_RESPONSE'
  | 'KUBERNETES_UNKNOWN_KIND'
  | 'KUBERNETES_HANDLER_FAILED'

export interface KubernetesErrorDetails extends ErrorOptions {
  /** HTTP status of the answer, when there was one. */
  readonly status?: number
  /** `reason` of the API server's Status object, for example `AlreadyExists`. */
  readonly reason?: string
  readonly retryAfterSeconds?: number
}

export class KubernetesError extends Error {
  override readonly name = 'KubernetesError'
  readonly code: KubernetesErrorCode
  readonly status: number | undefined
  readonly reason: string | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: KubernetesErrorCode, message: string, details: KubernetesErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status
    this.reason = details.reason
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}

const codesByStatus: Readonly<Record<number, KubernetesErrorCode>> = {
  400: 'KUBERNETES_INVALID',
  401: 'KUBERNETES_UNAUTHORIZED',
  403: 'KUBERNETES_FORBIDDEN',
  404: 'KUBERNETES_NOT_FOUND',
  409: 'KUBERNETES_CONFLICT',
  410: 'KUBERNETES_GONE',
  415: 'KUBERNETES_INVALID',
  422: 'KUBERNETES_INVALID',
  429: 'KUBERNETES_TOO_MANY_REQUESTS'
}

/** Which code an answer gets; 409 means two things, told apart by the Status object's reason. */
export function codeForStatus(status: number, reason: string | undefined): KubernetesErrorCode {
  if (status === 409 && reason === 'AlreadyExists') return 'KUBERNETES_ALREADY_EXISTS'
  if (reason === 'Expired') return 'KUBERNETES_GONE'
  return codesByStatus[status] ?? (status >= 500 ? 'KUBERNETES_SERVER_ERROR' : 'KUBERNETES_BAD_RESPONSE')
}
