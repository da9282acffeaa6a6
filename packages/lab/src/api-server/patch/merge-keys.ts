/**
 * How the lists of the built-in types are merged: by the path of the list inside its kind, the key of a strategic merge
 * patch and the keys of server-side apply (which differ where several items may share the first).
 */
export interface ListMerge {
  readonly type: 'map' | 'set'
  readonly patchKey?: string
  readonly applyKeys?: readonly string[]
}

const by = (patchKey: string, applyKeys: readonly string[] = [patchKey]): ListMerge => ({
  type: 'map',
  patchKey,
  applyKeys
})
const set: ListMerge = { type: 'set' }
/** Server-side apply merges by keys where a strategic merge patch replaces. */
const applyOnly = (...applyKeys: string[]): ListMerge => ({ type: 'map', applyKeys })

/** From model and field of @kubernetes/client-node. A list not here is replaced as a whole. */
export const listMerges: Readonly<Record<string, Readonly<Record<string, ListMerge>>>> = {
  V1ObjectMeta: { finalizers: set, ownerReferences: by('uid') },
  V1PodSpec: {
    containers: by('name'),
    initContainers: by('name'),
    ephemeralContainers: by('name'),
    volumes: by('name'),
    imagePullSecrets: by('name'),
    hostAliases: by('ip'),
    topologySpreadConstraints: by('topologyKey', ['topologyKey', 'whenUnsatisfiable']),
    resourceClaims: by('name'),
    schedulingGates: by('name')
  },
  V1PodStatus: {
    conditions: by('type'),
    podIPs: by('ip'),
    hostIPs: by('ip')
  },
  V1Container: {
    ports: by('containerPort', ['containerPort', 'protocol']),
    env: by('name'),
    volumeMounts: by('mountPath'),
    volumeDevices: by('devicePath')
  },
  V1EphemeralContainer: {
    ports: by('containerPort', ['containerPort', 'protocol']),
    env: by('name'),
    volumeMounts: by('mountPath'),
    volumeDevices: by('devicePath')
  },
  V1ResourceRequirements: { claims: applyOnly('name') },
  V1ServiceSpec: { ports: by('port', ['port', 'protocol']) },
  V1ServiceStatus: { conditions: by('type') },
  V1ServiceAccount: { secrets: by('name') },
  V1NodeSpec: { podCIDRs: set },
  V1NodeStatus: { addresses: by('type'), conditions: by('type') },
  V1NamespaceStatus: { conditions: by('type') },
  V1DeploymentStatus: { conditions: by('type') },
  V1ReplicaSetStatus: { conditions: by('type') },
  V1DaemonSetStatus: { conditions: by('type') },
  V1StatefulSetStatus: { conditions: by('type') },
  V1JobStatus: { conditions: by('type') },
  V1CustomResourceDefinitionSpec: { versions: applyOnly('name') },
  V1CustomResourceDefinitionStatus: { conditions: applyOnly('type') },
  V1MutatingWebhookConfiguration: { webhooks: by('name') },
  V1ValidatingWebhookConfiguration: { webhooks: by('name') }
}
