type LogCall = (message: string, fields?: Readonly<Record<string, string | number>>) => void

/** What this package needs of a logger; those of @culvert/telemetry fit. */
export interface ZdsLog {
  readonly debug: LogCall
  readonly info: LogCall
  readonly warn: LogCall
  readonly error: LogCall
}
