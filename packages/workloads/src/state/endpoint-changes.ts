import type { PortMap, Workload } from '../model/workload.ts'
import type { EndpointSet } from './compact/endpoint-set.ts'
import type { Pool } from './compact/pool.ts'
import { portsKey } from './compact/workload-record.ts'

/**
 * What the workloads of one response mean for services, gathered until every service is in: so the order inside a
 * response does not matter (docs/spec/workload-xds.md 3.3).
 */
export interface EndpointChanges {
  readonly gone: (slot: number, workload: Workload) => void
  readonly arrived: (slot: number, workload: Workload) => void
  /** Keys of the services that change. */
  readonly services: () => Iterable<string>
  /** In the order they were noted. Once only. */
  readonly applyTo: (key: string, endpoints: EndpointSet, wants: (status: Workload['status']) => boolean) => void
}

/** In a list of threes: slot, number of the ports, and which of these. */
const kinds = { gone: 0, healthy: 1, unhealthy: 2 }

export function createEndpointChanges(ports: Pool<PortMap>): EndpointChanges {
  const services = new Map<string, number[]>()
  const note = (key: string, slot: number, portsId: number, kind: number): void => {
    const noted = services.get(key)
    if (noted === undefined) services.set(key, [slot, portsId, kind])
    else noted.push(slot, portsId, kind)
  }
  return {
    gone(slot, { services: named }) {
      for (const key of named.keys()) note(key, slot, 0, kinds.gone)
    },
    arrived(slot, { services: named, status }) {
      const kind = status === 'Healthy' ? kinds.healthy : kinds.unhealthy
      for (const [key, map] of named) note(key, slot, holdPorts(ports, map), kind)
    },
    services: () => services.keys(),
    applyTo(key, endpoints, wants) {
      const noted = services.get(key) ?? []
      for (let i = 0; i < noted.length; i += 3) {
        const [slot, portsId, kind] = [noted[i]!, noted[i + 1]!, noted[i + 2]!]
        const status = kind === kinds.unhealthy ? 'Unhealthy' : 'Healthy'
        if (kind !== kinds.gone && wants(status)) endpoints.put(slot, portsId, status)
        else {
          endpoints.remove(slot)
          ports.release(portsId)
        }
      }
      services.set(key, [])
    }
  }
}

export const holdPorts = (pool: Pool<PortMap>, map: PortMap): number => pool.hold(portsKey(map), () => map)
