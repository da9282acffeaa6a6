import type { AddressInfo, Server } from 'node:net'
import { IstiodError } from '../errors.ts'
import type { ListenAddress } from '../settings/arguments.ts'

/** Binds, or says which address could not be. Without a host Node takes both families, or IPv4 where there is no other. */
export function listenOn(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(new IstiodError('ISTIOD_LISTEN', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
    }
    // Stays on: a connection that cannot be accepted, for want of descriptors, is no reason to end the process.
    server.on('error', failed)
    server.listen(host === '' ? { port } : { host, port }, () => {
      const bound = server.address() as AddressInfo
      resolve({ host: bound.address, port: bound.port })
    })
  })
}
