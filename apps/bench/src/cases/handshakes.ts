import { handshakesCommand, parseHandshakes } from '../load/tls-handshakes.ts'
import { withProxyCpu } from '../measure/proxy-cpu.ts'
import { clientCertificate } from '../world/client-certificate.ts'
import type { ClusterCase } from './case.ts'
import { succeed } from './succeed.ts'

const tunnelPort = 15008
const concurrent = 16

/**
 * Tunnels made and closed, from the client's node to the server's proxy: a proxy in between would keep its tunnels. The
 * client side of the handshake is the same program for all.
 */
export const handshakes: ClusterCase = {
  kind: 'cluster',
  name: 'handshakes',
  title: `Mutual TLS handshakes, ${concurrent} at a time, at the server’s proxy`,
  metrics: [
    { name: 'handshakes', title: 'new tunnels', unit: '1/s', better: 'more', target: { machine: 1 } },
    { name: 'handshakes-p50', title: '… p50', unit: 'µs', better: 'less' },
    { name: 'handshakes-p99', title: '… p99', unit: 'µs', better: 'less' },
    { name: 'handshakes-cpu', title: '… CPU of the proxy', unit: 'µs each', better: 'less' }
  ],
  direct: false,
  authority: true,
  duration: ({ seconds }) => seconds + 2.5,
  run: async (stage, { seconds }) => {
    using certificate = await clientCertificate(stage.cluster)
    const [node] = stage.cluster.nodes
    const shake = async (duration: number): Promise<ReturnType<typeof parseHandshakes>> => {
      const target = { host: stage.serverIp, port: tunnelPort }
      const command = handshakesCommand({ ...target, connections: concurrent, seconds: duration, certificate })
      return parseHandshakes(succeed(command, await node!.exec(command, { timeout: (duration + 30) * 1_000 })))
    }
    await shake(1)
    const { result, cpu } = await withProxyCpu(stage, () => shake(seconds))
    return {
      handshakes: result.handshakes / (result.microseconds / 1e6),
      'handshakes-p50': result.p50,
      'handshakes-p99': result.p99,
      'handshakes-cpu': ((cpu?.receiving ?? 0) * 1e6) / result.handshakes
    }
  }
}
