import { BenchError } from '../errors.ts'
import { nativeProgram } from './native-program.ts'

/** Files in PEM. */
export interface ClientCertificate {
  readonly roots: string
  readonly chain: string
  readonly key: string
}

export interface HandshakesOptions {
  readonly host: string
  readonly port: number
  /** How many are under way at any time. */
  readonly connections: number
  readonly seconds: number
  readonly certificate: ClientCertificate
}

/** Times in microseconds, from the start of connecting to the server's first frame. */
export interface HandshakesResult {
  readonly handshakes: number
  readonly microseconds: number
  readonly p50: number
  readonly p99: number
}

export function handshakesCommand({ host, port, connections, seconds, certificate }: HandshakesOptions): string[] {
  const program = nativeProgram('tls-handshakes', ['-lssl', '-lcrypto'])
  const { roots, chain, key } = certificate
  return [program, host, `${port}`, `${connections}`, `${seconds}`, roots, chain, key]
}

/** @throws BenchError BENCH_REFUSED */
export function parseHandshakes(stdout: string): HandshakesResult {
  const { handshakes, microseconds, p50, p99 } = JSON.parse(stdout) as HandshakesResult
  if (!(handshakes > 0)) throw new BenchError('BENCH_REFUSED', 'not one handshake was made')
  return { handshakes, microseconds, p50, p99 }
}
