export type TelemetryErrorCode =
  /** A log filter or a level that cannot be read. */
  | 'TELEMETRY_BAD_FILTER'
  /** A metric family was declared twice, or used with another type. */
  | 'TELEMETRY_DUPLICATE_FAMILY'
  /** A server's address cannot be bound. */
  | 'TELEMETRY_LISTEN'

export class TelemetryError extends Error {
  override readonly name = 'TelemetryError'
  readonly code: TelemetryErrorCode

  constructor(code: TelemetryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
