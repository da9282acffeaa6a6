import {
  configMaps,
  KubernetesError,
  type KubernetesObject,
  serviceAccounts,
  type V1ConfigMap,
  type V1Namespace
} from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { createWorkQueue } from './work-queue.ts'

const rootCertificateName = 'kube-root-ca.crt'
/** Where the API server itself puts the certificate that all namespaces get. */
const source = { namespace: 'kube-system', name: rootCertificateName }

const isLiving = ({ metadata, status }: V1Namespace): boolean =>
  metadata?.deletionTimestamp === undefined && status?.phase !== 'Terminating'

interface PerNamespace<T extends KubernetesObject> {
  readonly kind: 'serviceAccounts' | 'configMaps'
  readonly name: string
  ensure(namespace: string, present: T | undefined): Promise<void>
}

/** Keeps one object of a fixed name in every namespace, and makes it again when someone deletes or changes it. */
function perNamespace<T extends KubernetesObject>(
  options: ControllerOptions,
  { kind, name, ensure }: PerNamespace<T>
): Controller {
  const informers = informersOf(options)
  const namespaces = informers.of('namespaces')
  const objects = informers.of(kind)
  return {
    async start({ signal }) {
      const queue = createWorkQueue({
        signal,
        onError: reportUnlessPassing(options),
        async reconcile(namespace) {
          const found = namespaces.get(undefined, namespace)
          if (found === undefined || !isLiving(found)) return
          try {
            await ensure(namespace, objects.get(namespace, name) as T | undefined)
          } catch (error) {
            // The cache was behind: the object is there, or the namespace is going.
            const passing =
              error instanceof KubernetesError &&
              ['KUBERNETES_ALREADY_EXISTS', 'KUBERNETES_FORBIDDEN', 'KUBERNETES_NOT_FOUND'].includes(error.code)
            if (!passing) throw error
          }
        }
      })
      const touch = ({ metadata }: KubernetesObject): void => {
        if (metadata?.name === name && metadata.namespace !== undefined) queue.add(metadata.namespace)
      }
      await informers.start({ signal })
      namespaces.on({ added: ({ metadata }) => queue.add(metadata?.name ?? '') })
      objects.on({ updated: (_, object) => touch(object), deleted: touch })
    }
  }
}

/** A service account `default` in every namespace. */
export function createServiceAccountController(options: ControllerOptions): Controller {
  const name = 'default'
  return perNamespace(options, {
    kind: 'serviceAccounts',
    name,
    async ensure(namespace, present) {
      if (present !== undefined) return
      await options.client.create(serviceAccounts, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name, namespace }
      })
    }
  })
}

/** The ConfigMap with the API server's root certificate in every namespace, where pods have it mounted from. */
export function createRootCertificateController(options: ControllerOptions): Controller {
  const { client } = options
  return perNamespace<V1ConfigMap>(options, {
    kind: 'configMaps',
    name: rootCertificateName,
    async ensure(namespace, present: V1ConfigMap | undefined) {
      if (namespace === source.namespace) return
      const data = (await client.get(configMaps, source))?.data
      if (data === undefined)
        throw new KubernetesError('KUBERNETES_NOT_FOUND', `ConfigMap ${source.namespace}/${source.name} is not there`)
      if (present?.data?.['ca.crt'] === data['ca.crt']) return
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: source.name, namespace }, data }
      if (present === undefined) await client.create(configMaps, object)
      else await client.patch(configMaps, { namespace, name: source.name }, { data }, { type: 'merge' })
    }
  })
}
