import { goJson } from './go-json.ts'

/** Error codes of the CNI specification and of the plugin (docs/spec/cni.md 2.1). */
export const cniErrorCodes = {
  incompatibleVersion: 1,
  badEnvironment: 4,
  unreadableInput: 5,
  undecodableConfig: 6,
  badNetworkConfig: 7,
  ownNamespace: 8,
  failed: 999
} as const

export type CniErrorCode = (typeof cniErrorCodes)[keyof typeof cniErrorCodes]

/** What the container runtime gets to read on standard output when the plugin exits with 1. */
export class CniError extends Error {
  override readonly name = 'CniError'
  readonly code: CniErrorCode
  readonly details: string

  constructor(code: CniErrorCode, message: string, details = '', options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

/** Everything else that is thrown is a failure of the handler: its text, and never its stack. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  return new CniError(cniErrorCodes.failed, reasonOf(error), '', { cause: error })
}

export function renderError(error: CniError): string {
  const { code, message: msg, details } = error
  return goJson({ code, msg, ...(details !== '' && { details }) }, 4)
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
