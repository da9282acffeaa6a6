/** A step that does not hold: what was expected, what came, and the log lines that tell more. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
  readonly evidence: readonly string[]

  constructor(message: string, evidence: readonly string[] = [], options?: ErrorOptions) {
    super(message, options)
    this.evidence = evidence
  }
}

/** Ends the demo with `message` unless the condition holds. */
export function hold(condition: boolean, message: string, evidence: readonly string[] = []): asserts condition {
  if (!condition) throw new DemoError(message, evidence)
}
