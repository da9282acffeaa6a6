import type { V1Pod, V1Volume } from '@culvert/kubernetes'

const directory = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The pod with the API access volume in every container that mounts nothing at its place, unless the pod declines it.
 * The API server's admission adds it already; this is for pods that came without, such as those written by hand.
 */
export function withDefaultToken(pod: V1Pod): V1Pod {
  const spec = pod.spec!
  if (spec.automountServiceAccountToken === false) return pod
  const name = 'lab-api-access'
  const lacks = (container: { volumeMounts?: { mountPath: string }[] }): boolean =>
    !container.volumeMounts?.some(({ mountPath }) => mountPath === directory)
  const all = [...(spec.initContainers ?? []), ...spec.containers]
  if (!all.some(lacks)) return pod
  const add = <T extends (typeof all)[number]>(container: T): T =>
    lacks(container)
      ? {
          ...container,
          volumeMounts: [...(container.volumeMounts ?? []), { name, mountPath: directory, readOnly: true }]
        }
      : container
  return {
    ...pod,
    spec: {
      ...spec,
      volumes: [...(spec.volumes ?? []), apiAccessVolume(name)],
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(add) }),
      containers: spec.containers.map(add)
    }
  }
}

function apiAccessVolume(name: string): V1Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } }
      ]
    }
  }
}
