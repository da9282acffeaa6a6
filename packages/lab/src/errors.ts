export type LabErrorCode =
  /** The machine lacks something: not root, no overlay file system, no writable cgroup hierarchy, a missing program. */
  | 'LAB_UNSUPPORTED'
  | 'LAB_OPTION'
  | 'LAB_COMMAND'
  | 'LAB_NODE'
  | 'LAB_SANDBOX'
  | 'LAB_CNI'
  | 'LAB_IMAGE'
  | 'LAB_VOLUME'
  | 'LAB_CONTAINER'
  | 'LAB_NOT_FOUND'
  | 'LAB_TIMEOUT'
  | 'LAB_CLOSED'

/** Every way in which a lab cluster fails. The message names the node, pod or file; `cause` holds what was underneath. */
export class LabError extends Error {
  override readonly name = 'LabError'
  readonly code: LabErrorCode

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** First line of whatever was thrown, for messages that end up in a pod's status or an Event. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
