import type { KubernetesObject, V1Condition, V1LabelSelector } from './objects.ts'

export interface GatewayListener {
  name: string
  hostname?: string
  port: number
  protocol: string
  tls?: { mode?: string; certificateRefs?: { name: string; namespace?: string }[]; options?: Record<string, string> }
  allowedRoutes?: {
    namespaces?: { from?: 'All' | 'Same' | 'Selector'; selector?: V1LabelSelector }
    kinds?: { group?: string; kind: string }[]
  }
}

export interface GatewayAddress {
  type?: 'IPAddress' | 'Hostname' | string
  value: string
}

export interface Gateway extends KubernetesObject {
  spec?: { gatewayClassName?: string; listeners?: GatewayListener[]; addresses?: { type?: string; value?: string }[] }
  status?: { addresses?: GatewayAddress[]; conditions?: V1Condition[]; listeners?: unknown[] }
}

export interface GatewayClass extends KubernetesObject {
  spec?: { controllerName?: string; description?: string }
  status?: { conditions?: V1Condition[] }
}
