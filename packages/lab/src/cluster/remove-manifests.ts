import {
  apiVersionOf,
  type KubernetesClient,
  type KubernetesObject,
  knownResources,
  type Resource,
  resource
} from '@culvert/kubernetes'
import { LabError } from '../errors.ts'
import { waitForObject, type WaitSource } from './wait.ts'

/** Deletes what the manifests name, last first, and waits until all of it is gone. */
export async function removeManifests(source: WaitSource, manifests: readonly KubernetesObject[]): Promise<void> {
  const { client } = source
  const deleted: { res: Resource; namespace: string | undefined; name: string }[] = []
  for (const manifest of [...manifests].reverse()) {
    const res = await findResource(client, manifest)
    const { name, namespace = 'default' } = manifest.metadata ?? {}
    if (name === undefined) throw new LabError('LAB_OPTION', `a ${manifest.kind} to be removed has no metadata.name`)
    const ref = { namespace: res.namespaced ? namespace : undefined, name }
    if (await client.delete(res, ref)) deleted.push({ res, ...ref })
  }
  await Promise.all(deleted.map(({ res, ...ref }) => waitForObject(source, res, ref, object => object === undefined)))
}

async function findResource(
  client: KubernetesClient,
  { apiVersion = '', kind = '' }: KubernetesObject
): Promise<Resource> {
  const known = knownResources.find(candidate => candidate.kind === kind && apiVersionOf(candidate) === apiVersion)
  if (known !== undefined) return known
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
  const path = group === '' ? `/api/${version}` : `/apis/${apiVersion}`
  const { resources } = await client.request<{ resources: { name: string; kind: string; namespaced: boolean }[] }>({
    method: 'GET',
    path
  })
  const found = resources.find(candidate => candidate.kind === kind && !candidate.name.includes('/'))
  if (found === undefined) throw new LabError('LAB_OPTION', `the API server has no kind ${kind} in ${apiVersion}`)
  return resource(group!, version!, found.name, kind, found.namespaced ? 'namespaced' : 'cluster')
}
