import type { ServiceEndpoint, Workload } from '../model/workload.ts'

/**
 * What the workloads of one response mean for services, gathered until every service is in: so the order inside a
 * response does not matter (docs/spec/workload-xds.md 3.3).
 */
export interface EndpointChanges {
  readonly gone: (workload: Workload) => void
  readonly arrived: (workload: Workload) => void
  /** Per service, uid to endpoint, or to undefined for one to remove. */
  readonly all: () => ReadonlyMap<string, ReadonlyMap<string, ServiceEndpoint | undefined>>
}

export function createEndpointChanges(): EndpointChanges {
  const services = new Map<string, Map<string, ServiceEndpoint | undefined>>()
  const note = (key: string, uid: string, endpoint: ServiceEndpoint | undefined): void => {
    const uids = services.get(key)
    if (uids === undefined) services.set(key, new Map([[uid, endpoint]]))
    else uids.set(uid, endpoint)
  }
  return {
    gone({ uid, services: named }) {
      for (const key of named.keys()) note(key, uid, undefined)
    },
    arrived({ uid, services: named, status }) {
      for (const [key, port] of named) note(key, uid, { workloadUid: uid, port, status })
    },
    all: () => services
  }
}
