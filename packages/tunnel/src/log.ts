/** Where the data path says what is nobody's connection's fault: warnings about sockets, mistakes of its user. */
export interface TunnelLog {
  readonly warn: (message: string) => void
  readonly debug: (message: string) => void
}
