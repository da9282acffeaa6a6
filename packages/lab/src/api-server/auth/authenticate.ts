import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { unauthorized } from '../status.ts'
import { issuer, type ServiceAccountTokens } from './service-account-tokens.ts'
import { admin, type User } from './user.ts'

export type Authenticate = (request: IncomingMessage) => Promise<User>

/** A client certificate of the cluster's authority, the admin's token or a service account's; anyone else is refused. */
export function createAuthenticator(options: { adminToken: string; tokens: ServiceAccountTokens }): Authenticate {
  const adminToken = Buffer.from(options.adminToken)
  return async request => {
    const user = certificateUser(request)
    if (user !== undefined) return user
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) throw unauthorized()
    const bytes = Buffer.from(token)
    if (bytes.length === adminToken.length && timingSafeEqual(bytes, adminToken)) return admin
    const verdict = await options.tokens.verify(token, [issuer])
    if (!verdict.valid) throw unauthorized()
    return verdict.user
  }
}

function certificateUser({ socket }: IncomingMessage): User | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  const username = [subject?.CN ?? []].flat()[0]
  if (username === undefined) return undefined
  return { username, groups: [...[subject.O ?? []].flat(), 'system:authenticated'] }
}
