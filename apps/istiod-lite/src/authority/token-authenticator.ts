import { createHash } from 'node:crypto'
import type { KubernetesClient, V1TokenReview } from '@culvert/kubernetes'
import { tokenReviews } from '@culvert/kubernetes'
import { formatSpiffeId } from '@culvert/spiffe'
import type { Clock } from '@culvert/clock'
import { IstiodError } from '../errors.ts'
import type { Caller } from './caller.ts'

export interface TokenAuthenticatorOptions {
  readonly client: Pick<KubernetesClient, 'create'>
  /** `TOKEN_AUDIENCES`. */
  readonly audiences: readonly string[]
  readonly clusterId: string
  /** `--clusterAliases`: names that mean this cluster too. */
  readonly clusterAliases: ReadonlySet<string>
  readonly trustDomain: string
  readonly clock: Clock
}

/** Rejects with the reason when the token or the cluster is not accepted. */
export type TokenAuthenticator = (token: string, cluster: string) => Promise<Caller>

// Nothing on the wire needs one review per call, and a node proxy asks for many certificates at once with one token
// (docs/spec/identity-ca.md 3.2). Revoking a token takes effect after this long.
const reuseMs = 10_000
const mostReviews = 10_000

const refused = (reason: string): IstiodError => new IstiodError('ISTIOD_UNAUTHENTICATED', reason)

/** `exp` of a JWT in milliseconds; only used to forget an accepted review early, so it need not be verified. */
function expiry(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp?: unknown }
    return typeof claims.exp === 'number' ? claims.exp * 1000 : Number.POSITIVE_INFINITY
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** The caller that an answered review stands for. */
export function callerOfReview({ status = {} }: V1TokenReview, trustDomain: string): Caller {
  const { authenticated, error, user = {} } = status
  if (error) throw refused(`the API server refused the token: ${JSON.stringify(error.slice(0, 200))}`)
  if (!authenticated) throw refused('the API server did not authenticate the token')
  if (!user.groups?.includes('system:serviceaccounts')) throw refused('the token is not of a service account')
  const parts = (user.username ?? '').split(':')
  const [, , namespace = '', serviceAccount = ''] = parts
  if (parts.length !== 4) throw refused(`user ${JSON.stringify(user.username ?? '')} is no service account name`)
  const extra = (key: string): string => user.extra?.[`authentication.kubernetes.io/${key}`]?.[0] ?? ''
  const [podName, podUid] = [extra('pod-name'), extra('pod-uid')]
  const id = formatSpiffeId({ trustDomain, namespace, serviceAccount })
  return {
    identities: [id],
    namespace,
    serviceAccount,
    pod: podName === '' ? undefined : { name: podName, uid: podUid }
  }
}

/** Service-account tokens, by TokenReview. */
export function createTokenAuthenticator(options: TokenAuthenticatorOptions): TokenAuthenticator {
  const { client, audiences, clusterId, clusterAliases, trustDomain, clock } = options
  // Tokens by their hash, and the caller alone of a review, which repeats the token: a memory dump should hand out none.
  const reviews = new Map<string, { until: number; caller: Promise<Caller> }>()

  function review(token: string): Promise<Caller> {
    const key = createHash('sha256').update(token).digest('base64')
    const known = reviews.get(key)
    if (known !== undefined && known.until > clock.now()) return known.caller
    const caller = client
      .create(tokenReviews, { spec: { token, audiences: [...audiences] } })
      .then(answered => callerOfReview(answered, trustDomain))
    if (reviews.size >= mostReviews) reviews.clear()
    const entry = { until: Math.min(clock.now() + reuseMs, expiry(token)), caller }
    reviews.set(key, entry)
    // Only what was accepted is remembered: a refusal may be of a moment ago.
    caller.catch(() => {
      if (reviews.get(key) === entry) reviews.delete(key)
    })
    return caller
  }

  return async (token, cluster) => {
    if (cluster !== '' && cluster !== clusterId && !clusterAliases.has(cluster)) {
      throw refused(`no API server is known for cluster ${JSON.stringify(cluster.slice(0, 200))}`)
    }
    return review(token)
  }
}
