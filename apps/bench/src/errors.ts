export type BenchErrorCode =
  /** An argument, or something on the machine, is not as it must be: nothing was measured. */
  | 'BENCH_SETTING'
  /** The programs to measure did not come up. */
  | 'BENCH_SETUP'
  /** A run had errors, or moved less than it should: its figures are not to be used. */
  | 'BENCH_REFUSED'

export class BenchError extends Error {
  override readonly name = 'BenchError'
  readonly code: BenchErrorCode

  constructor(code: BenchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
