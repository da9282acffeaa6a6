import { BenchError } from '../errors.ts'

/** One run of iperf3, by what arrived. */
export interface Iperf3Result {
  readonly bytes: number
  readonly seconds: number
}

export interface Iperf3Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** The server sends. */
  readonly reverse?: boolean
}

export function iperf3Command({ host, port, connections, seconds, reverse = false }: Iperf3Options): string[] {
  const flags = ['-P', `${connections}`, '-t', `${seconds}`, ...(reverse ? ['-R'] : [])]
  return ['iperf3', '-c', host, '-p', `${port}`, ...flags, '--connect-timeout', '5000', '-J']
}

/**
 * When the time is over, what is under way counts as sent, not as received: the buffers of two proxies, for all and for
 * each connection, and of its sockets. Where more is missing, bytes were lost.
 */
const underWay = (connections: number): number => (64 + 16 * connections) * 2 ** 20

interface Report {
  readonly error?: string
  readonly end?: {
    readonly streams?: readonly { readonly receiver?: { readonly bytes?: number } }[]
    readonly sum_sent?: { readonly bytes?: number }
    readonly sum_received?: { readonly bytes?: number; readonly seconds?: number }
  }
}

/** @throws BenchError BENCH_REFUSED for a run with an error, a connection without bytes, or bytes lost. */
export function parseIperf3(stdout: string, { connections }: { connections: number }): Iperf3Result {
  let report: Report
  try {
    report = JSON.parse(stdout)
  } catch (cause) {
    throw new BenchError('BENCH_REFUSED', `iperf3 gave no report but '${stdout.slice(0, 200)}'`, { cause })
  }
  if (report.error !== undefined) throw new BenchError('BENCH_REFUSED', `iperf3: ${report.error}`)
  const { streams = [], sum_sent, sum_received } = report.end ?? {}
  const { bytes = 0, seconds = 0 } = sum_received ?? {}
  const sent = sum_sent?.bytes ?? 0
  const silent = streams.filter(({ receiver }) => !receiver?.bytes).length
  if (streams.length !== connections || silent > 0) {
    throw new BenchError(
      'BENCH_REFUSED',
      `iperf3: ${streams.length - silent} of ${connections} connections carried something`
    )
  }
  if (seconds <= 0 || bytes === 0 || sent - bytes > underWay(connections)) {
    throw new BenchError('BENCH_REFUSED', `iperf3: ${bytes} of ${sent} bytes arrived within ${seconds} s`)
  }
  return { bytes, seconds }
}
