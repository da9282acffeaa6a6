import type { KubernetesObject, V1ObjectMeta } from './objects.ts'

export interface IstioCondition {
  type?: string
  status?: string
  reason?: string
  message?: string
  observedGeneration?: number
  lastProbeTime?: string
  lastTransitionTime?: string
}

export interface IstioStatus {
  conditions?: IstioCondition[]
  observedGeneration?: number
}

export interface WorkloadSelector {
  matchLabels?: Record<string, string>
}

export interface PolicyTargetReference {
  group?: string
  kind: string
  name: string
  namespace?: string
}

export interface AuthorizationSource {
  principals?: string[]
  notPrincipals?: string[]
  requestPrincipals?: string[]
  notRequestPrincipals?: string[]
  namespaces?: string[]
  notNamespaces?: string[]
  serviceAccounts?: string[]
  notServiceAccounts?: string[]
  ipBlocks?: string[]
  notIpBlocks?: string[]
  remoteIpBlocks?: string[]
  notRemoteIpBlocks?: string[]
}

export interface AuthorizationOperation {
  hosts?: string[]
  notHosts?: string[]
  ports?: string[]
  notPorts?: string[]
  methods?: string[]
  notMethods?: string[]
  paths?: string[]
  notPaths?: string[]
}

export interface AuthorizationCondition {
  key?: string
  values?: string[]
  notValues?: string[]
}

export interface AuthorizationRule {
  from?: { source?: AuthorizationSource }[]
  to?: { operation?: AuthorizationOperation }[]
  when?: AuthorizationCondition[]
}

export interface AuthorizationPolicy extends KubernetesObject {
  metadata?: V1ObjectMeta
  spec?: {
    selector?: WorkloadSelector
    targetRef?: PolicyTargetReference
    targetRefs?: PolicyTargetReference[]
    action?: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM' | string
    rules?: AuthorizationRule[]
    provider?: { name?: string }
  }
  status?: IstioStatus
}

export type MutualTlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT'

export interface PeerAuthentication extends KubernetesObject {
  spec?: {
    selector?: WorkloadSelector
    mtls?: { mode?: MutualTlsMode }
    portLevelMtls?: Record<string, { mode?: MutualTlsMode }>
  }
  status?: IstioStatus
}

export interface WorkloadEntrySpec {
  address?: string
  ports?: Record<string, number>
  labels?: Record<string, string>
  network?: string
  locality?: string
  weight?: number
  serviceAccount?: string
}

export interface WorkloadEntry extends KubernetesObject {
  spec?: WorkloadEntrySpec
  status?: IstioStatus
}

export interface ServiceEntryPort {
  number: number
  name: string
  protocol?: string
  targetPort?: number
}

export interface ServiceEntry extends KubernetesObject {
  spec?: {
    hosts?: string[]
    addresses?: string[]
    ports?: ServiceEntryPort[]
    location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL'
    resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS'
    endpoints?: WorkloadEntrySpec[]
    workloadSelector?: { labels?: Record<string, string> }
    exportTo?: string[]
    subjectAltNames?: string[]
  }
  status?: IstioStatus & { addresses?: { value?: string; host?: string }[] }
}
