/** What the client has to say; any logger with these will do. */
export interface DiscoveryLog {
  readonly debug: (message: string, fields?: Readonly<Record<string, string | number>>) => void
  readonly warn: (message: string, fields?: Readonly<Record<string, string | number>>) => void
}
