/** Resource names and keys of docs/spec/workload-xds.md 2.1. */
export const serviceKey = (namespace: string, hostname: string): string => `${namespace}/${hostname}`

export const serviceHostname = (name: string, namespace: string, domain: string): string =>
  `${name}.${namespace}.svc.${domain}`

/** The API group of core kinds is empty, hence the two slashes. */
export const podUid = (cluster: string, namespace: string, name: string): string =>
  `${cluster}//Pod/${namespace}/${name}`

export const workloadEntryUid = (cluster: string, namespace: string, name: string): string =>
  `${cluster}/networking.istio.io/WorkloadEntry/${namespace}/${name}`

export const serviceEntryEndpointUid = (cluster: string, namespace: string, name: string, endpoint: string): string =>
  `${cluster}/networking.istio.io/ServiceEntry/${namespace}/${name}/${endpoint}`

export const endpointSliceUid = (cluster: string, namespace: string, slice: string, address: string): string =>
  `${cluster}/discovery.k8s.io/EndpointSlice/${namespace}/${slice}/${address}`

/** `network/ip`; the default network leaves a leading slash. */
export const addressAlias = (network: string, ip: string): string => `${network}/${ip}`
