import { type KubernetesClient, serviceAccounts, type V1Pod, type V1TokenRequest } from '@culvert/kubernetes'
import { LabError } from '../errors.ts'
import type { TokenNeed } from './volume-payload.ts'

/** A pod's service-account tokens, bound to the pod. */
export interface TokenSource {
  token(need: TokenNeed): Promise<string>
  /** Milliseconds until the next of the tokens given out so far should be replaced; undefined without tokens. */
  untilRenewal(): number | undefined
}

interface Issued {
  readonly token: string
  /** Milliseconds since the epoch: at 80 % of its life, and at the latest after a day, as a kubelet does. */
  readonly renewAt: number
}

export function createTokenSource(client: KubernetesClient, pod: V1Pod): TokenSource {
  const { namespace, name, uid } = pod.metadata!
  const serviceAccount = pod.spec?.serviceAccountName || 'default'
  const issued = new Map<string, Issued>()
  return {
    token: async need => {
      const key = JSON.stringify([need.audience, need.expirationSeconds])
      const known = issued.get(key)
      if (known !== undefined && known.renewAt > Date.now()) return known.token
      const requestedAt = Date.now()
      const answer = await client.createSubresource<V1TokenRequest>(
        serviceAccounts,
        { namespace, name: serviceAccount },
        'token',
        {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: need.audience === undefined ? [] : [need.audience],
            expirationSeconds: need.expirationSeconds,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid }
          }
        }
      )
      const { token, expirationTimestamp } = answer.status ?? {}
      if (!token || !expirationTimestamp) {
        throw new LabError(
          'LAB_VOLUME',
          `the API server issued no token for service account ${namespace}/${serviceAccount}`
        )
      }
      const life = new Date(expirationTimestamp).getTime() - requestedAt
      issued.set(key, { token, renewAt: requestedAt + Math.min(life * 0.8, 24 * 60 * 60 * 1000) })
      return token
    },
    untilRenewal: () => {
      const times = [...issued.values()].map(({ renewAt }) => renewAt)
      return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - Date.now())
    }
  }
}
