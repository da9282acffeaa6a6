import type { KubernetesClient, KubernetesObject, Resource } from '@culvert/kubernetes'
import { canonical } from './template-hash.ts'

/** Where it differs from what the object has. */
export async function writeStatus<T extends KubernetesObject & { status?: object }>(
  client: KubernetesClient,
  resource: Resource<T>,
  object: T,
  status: T['status']
): Promise<void> {
  if (canonical(status) === canonical(object.status)) return
  const { namespace, name } = object.metadata!
  await client.patch(resource, { namespace, name: name! }, { status }, { type: 'merge', subresource: 'status' })
}
