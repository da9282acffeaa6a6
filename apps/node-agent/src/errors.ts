export type NodeAgentErrorCode =
  /** A setting of the environment or command line cannot be used. */
  | 'AGENT_SETTING'
  /** The node lacks something without which the agent must not start. */
  | 'AGENT_START'
  /** The plugin told of a pod that the API server has not told of. */
  | 'AGENT_UNKNOWN_POD'
  | 'AGENT_NOT_ELIGIBLE'
  /** The pod's network namespace was not found or could not be opened. */
  | 'AGENT_NO_NETNS'
  /** Rules could not be put into the pod. */
  | 'AGENT_POD_RULES'
  /** Rules could not be taken out of the pod. */
  | 'AGENT_POD_RULES_LEFT'
  /** No ztunnel took the pod, or its end could not be told. */
  | 'AGENT_ZTUNNEL'
  | 'AGENT_PROBE_SET'
  | 'AGENT_ANNOTATION'

/** docs/spec/cni.md 4.6: without namespace or rules a retry cannot help, until something about the pod changes. */
const finalCodes: readonly NodeAgentErrorCode[] = ['AGENT_NO_NETNS', 'AGENT_POD_RULES']

export class NodeAgentError extends Error {
  override readonly name = 'NodeAgentError'
  readonly code: NodeAgentErrorCode

  constructor(code: NodeAgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get retryable(): boolean {
    return !finalCodes.includes(this.code)
  }
}

/** Text of anything thrown, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
