import { configMaps, type KubernetesClient, leases, type V1ConfigMap, type V1Lease } from '@culvert/kubernetes'
import type { LeaderRecord } from './leader-record.ts'

/** Where a record is kept. `write` fails with a conflict when somebody wrote since `read`. */
export interface LeaderLock {
  readonly name: string
  read(): Promise<{ record: LeaderRecord | undefined; version: string }>
  write(record: LeaderRecord): Promise<void>
}

type Client = Pick<KubernetesClient, 'get' | 'create' | 'replace'>

const time = (text: string | undefined): number => (text === undefined ? 0 : Date.parse(text) || 0)
// Leases keep microseconds, and the API server refuses a time without them.
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

export function leaseLock(client: Client, namespace: string, name: string): LeaderLock {
  let known: V1Lease | undefined
  return {
    name,
    async read() {
      known = await client.get(leases, { namespace, name })
      const { spec } = known ?? {}
      const version = known?.metadata?.resourceVersion ?? ''
      if (spec === undefined) return { record: undefined, version }
      const record = {
        holder: spec.holderIdentity ?? '',
        leaseSeconds: spec.leaseDurationSeconds ?? 0,
        acquiredAt: time(spec.acquireTime),
        renewedAt: time(spec.renewTime),
        transitions: spec.leaseTransitions ?? 0
      }
      return { record, version }
    },
    async write({ holder, leaseSeconds, acquiredAt, renewedAt, transitions }) {
      const spec = {
        holderIdentity: holder,
        leaseDurationSeconds: leaseSeconds,
        acquireTime: microTime(acquiredAt),
        renewTime: microTime(renewedAt),
        leaseTransitions: transitions
      }
      if (known === undefined) known = await client.create(leases, { metadata: { namespace, name }, spec })
      else known = await client.replace(leases, { ...known, spec: { ...known.spec, ...spec } })
    }
  }
}

const annotation = 'control-plane.alpha.kubernetes.io/leader'

interface AnnotationRecord {
  holderIdentity?: string
  leaseDurationSeconds?: number
  acquireTime?: string
  renewTime?: string
  leaderTransitions?: number
}

function parseAnnotation(text: string | undefined): LeaderRecord | undefined {
  if (text === undefined) return undefined
  try {
    const parsed = JSON.parse(text) as AnnotationRecord
    return {
      holder: parsed.holderIdentity ?? '',
      leaseSeconds: parsed.leaseDurationSeconds ?? 0,
      acquiredAt: time(parsed.acquireTime),
      renewedAt: time(parsed.renewTime),
      transitions: parsed.leaderTransitions ?? 0
    }
  } catch {
    // Nobody can lead by a record that nobody can read: it is free.
    return undefined
  }
}

/** The form that Istio still uses for its namespace controller. */
export function configMapLock(client: Client, namespace: string, name: string): LeaderLock {
  let known: V1ConfigMap | undefined
  return {
    name,
    async read() {
      known = await client.get(configMaps, { namespace, name })
      const version = known?.metadata?.resourceVersion ?? ''
      return { record: parseAnnotation(known?.metadata?.annotations?.[annotation]), version }
    },
    async write({ holder, leaseSeconds, acquiredAt, renewedAt, transitions }) {
      const seconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
      const text = JSON.stringify({
        holderIdentity: holder,
        leaseDurationSeconds: leaseSeconds,
        acquireTime: seconds(acquiredAt),
        renewTime: seconds(renewedAt),
        leaderTransitions: transitions
      })
      const annotations = { ...known?.metadata?.annotations, [annotation]: text }
      const object = { ...known, metadata: { ...known?.metadata, namespace, name, annotations } }
      known = await (known === undefined ? client.create(configMaps, object) : client.replace(configMaps, object))
    }
  }
}
