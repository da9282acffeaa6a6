import { randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { isFields, type KubeObject } from '../objects.ts'
import type { Store } from '../store.ts'
import type { User } from './user.ts'

/** Issuer of the tokens, and the audience of those meant for the API server itself. */
export const issuer = 'https://kubernetes.default.svc.cluster.local'

/** How long after its deletion time a pod's token still holds, in milliseconds: Kubernetes' own allowance. */
const deletionLeewayMs = 60_000

export interface TokenRequest {
  readonly serviceAccount: KubeObject
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly pod?: KubeObject
  readonly node?: KubeObject
}

export type TokenVerdict =
  | { readonly valid: true; readonly user: User; readonly audiences: readonly string[] }
  | { readonly valid: false; readonly reason: string }

export interface ServiceAccountTokens {
  issue(request: TokenRequest): Promise<{ token: string; expires: Date }>
  /** Holds a token for the given audiences (any of them), with everything it is bound to still there? */
  verify(token: string, audiences: readonly string[]): Promise<TokenVerdict>
  readonly jwks: { keys: JWK[] }
}

interface Reference {
  readonly name: string
  readonly uid: string
}

interface Claims {
  readonly namespace: string
  readonly serviceAccount: Reference
  readonly pod: Reference | undefined
  readonly node: Reference | undefined
}

export async function createServiceAccountTokens(store: Store, now: () => Date): Promise<ServiceAccountTokens> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const kid = randomUUID()
  const jwk = await exportJWK(publicKey)
  return {
    jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: 'ES256' }] },
    issue: request => sign(request, privateKey, kid, now()),
    async verify(token, audiences) {
      let payload: JWTPayload
      try {
        payload = (await jwtVerify(token, publicKey, { issuer, algorithms: ['ES256'], currentDate: now() })).payload
      } catch (error) {
        return refuse(error instanceof Error ? error.message : String(error))
      }
      const tokenAudiences = [payload.aud ?? []].flat()
      const shared = tokenAudiences.filter(audience => audiences.includes(audience))
      if (shared.length === 0) {
        return refuse(
          `token audiences ${JSON.stringify(tokenAudiences)} is invalid for the target audiences ${JSON.stringify(audiences)}`
        )
      }
      const claims = readClaims(payload)
      if (claims === undefined) return refuse('the token carries no kubernetes.io claims')
      const gone = missing(claims, store, now())
      if (gone !== undefined) return refuse(gone)
      return { valid: true, user: userOf(claims, payload.jti), audiences: shared }
    }
  }
}

async function sign(
  request: TokenRequest,
  key: CryptoKey,
  kid: string,
  now: Date
): Promise<{ token: string; expires: Date }> {
  const { serviceAccount, pod, node } = request
  const { name, namespace, uid } = serviceAccount.metadata
  const seconds = Math.floor(now.getTime() / 1000)
  const expires = seconds + request.expirationSeconds
  const reference = (object: KubeObject): Reference => ({ name: object.metadata.name, uid: object.metadata.uid })
  const token = await new SignJWT({
    aud: [...request.audiences],
    exp: expires,
    iat: seconds,
    iss: issuer,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      ...(node === undefined ? {} : { node: reference(node) }),
      ...(pod === undefined ? {} : { pod: reference(pod) }),
      serviceaccount: { name, uid }
    },
    nbf: seconds,
    sub: `system:serviceaccount:${namespace}:${name}`
  })
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(key)
  return { token, expires: new Date(expires * 1000) }
}

const refuse = (reason: string): TokenVerdict => ({ valid: false, reason })

function readClaims(payload: JWTPayload): Claims | undefined {
  const claims = payload['kubernetes.io']
  if (!isFields(claims) || typeof claims.namespace !== 'string') return undefined
  const serviceAccount = readReference(claims.serviceaccount)
  if (serviceAccount === undefined) return undefined
  return {
    namespace: claims.namespace,
    serviceAccount,
    pod: readReference(claims.pod),
    node: readReference(claims.node)
  }
}

function readReference(value: unknown): Reference | undefined {
  if (!isFields(value) || typeof value.name !== 'string' || typeof value.uid !== 'string') return undefined
  return { name: value.name, uid: value.uid }
}

/** Why a token no longer holds: what it is bound to has gone or is another one of the same name. */
function missing({ namespace, serviceAccount, pod, node }: Claims, store: Store, now: Date): string | undefined {
  const bound = [
    { what: 'service account', key: '/serviceaccounts', namespace, reference: serviceAccount },
    { what: 'pod', key: '/pods', namespace, reference: pod },
    { what: 'node', key: '/nodes', namespace: undefined, reference: pod === undefined ? node : undefined }
  ]
  for (const { what, key, namespace, reference } of bound) {
    if (reference === undefined) continue
    const object = store.get(key, namespace, reference.name)
    if (object === undefined) return `${what} ${reference.name} has been deleted`
    if (object.metadata.uid !== reference.uid) return `the ${what} ${reference.name} has another UID than the token's`
    const deletion = object.metadata.deletionTimestamp
    if (deletion !== undefined && Date.parse(deletion) + deletionLeewayMs < now.getTime()) {
      return `${what} ${reference.name} is being deleted`
    }
  }
  return undefined
}

function userOf({ namespace, serviceAccount, pod, node }: Claims, id: string | undefined): User {
  const extra: Record<string, readonly string[]> = {}
  const put = (key: string, value: string): void => {
    extra[`authentication.kubernetes.io/${key}`] = [value]
  }
  if (id !== undefined) put('credential-id', `JTI=${id}`)
  if (node !== undefined) {
    put('node-name', node.name)
    put('node-uid', node.uid)
  }
  if (pod !== undefined) {
    put('pod-name', pod.name)
    put('pod-uid', pod.uid)
  }
  return {
    username: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra
  }
}
