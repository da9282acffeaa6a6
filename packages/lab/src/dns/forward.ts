import dgram from 'node:dgram'
import dns from 'node:dns'
import { LabError } from '../errors.ts'

/** Milliseconds for one server. */
const attemptTimeout = 2000

/** Asks the machine's own resolvers, one after the other, from the machine's network. */
export async function forwardToMachine(query: Buffer): Promise<Buffer> {
  let failure: unknown
  for (const server of dns.getServers()) {
    const [, host = server, port = '53'] = /^\[?([^\]]+?)\]?(?::(\d+))?$/.exec(server) ?? []
    try {
      return await ask(query, host, Number(port))
    } catch (error) {
      failure = error
    }
  }
  throw new LabError('LAB_TIMEOUT', 'no resolver of the machine answers', { cause: failure })
}

function ask(query: Buffer, host: string, port: number): Promise<Buffer> {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new LabError('LAB_TIMEOUT', `${host} did not answer`)), attemptTimeout)
    socket.on('error', reject)
    socket.on('message', answer => {
      // Connected sockets take datagrams of the server only; the id still tells late answers apart.
      if (answer.length < 12 || !answer.subarray(0, 2).equals(query.subarray(0, 2))) return
      clearTimeout(timer)
      resolve(answer)
    })
    socket.connect(port, host, () => socket.send(query))
  }).finally(() => socket.close())
}
