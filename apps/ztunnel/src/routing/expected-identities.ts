import { parseSpiffeId } from '@culvert/spiffe'
import { type Service, workloadIdentity } from '@culvert/workloads'
import type { Upstream } from './choose-endpoint.ts'

/** Whom the server may turn out to be: docs/spec/hbone.md 2.7. The order is part of the pool's key. */
export function expectedIdentities({ service, workload }: Upstream): readonly string[] {
  return [...serviceIdentities(service), workloadIdentity(workload)]
}

/** Subject alternative names that are no SPIFFE ids name nobody we could meet. */
export function serviceIdentities(service: Service | undefined): readonly string[] {
  return (service?.subjectAltNames ?? []).filter(name => parseSpiffeId(name) !== undefined)
}
