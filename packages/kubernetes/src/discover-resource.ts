import { KubernetesError } from './errors.ts'
import type { KubernetesObject } from './objects.ts'
import { apiVersionOf, type Resource } from './resource.ts'
import { knownResources } from './resources.ts'

interface ResourceList {
  resources?: { name: string; kind: string; namespaced: boolean }[]
}

const knownByKind = new Map(knownResources.map(known => [`${apiVersionOf(known)} ${known.kind}`, known]))

/** Finds where objects of a manifest's kind live, asking the server for kinds that are not known here. */
export function createResourceFinder(get: (path: string) => Promise<ResourceList>): {
  find: (manifest: KubernetesObject) => Promise<Resource>
} {
  const discovered = new Map<string, Resource>()
  return {
    async find({ apiVersion, kind, metadata }) {
      if (!apiVersion || !kind || !metadata?.name) {
        const given = JSON.stringify({ apiVersion, kind, name: metadata?.name })
        throw new KubernetesError(
          'KUBERNETES_INVALID',
          `a manifest needs apiVersion, kind and metadata.name; got ${given}`
        )
      }
      const key = `${apiVersion} ${kind}`
      const known = knownByKind.get(key) ?? discovered.get(key)
      if (known !== undefined) return known
      const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
      const { resources = [] } = await get(group === '' ? `/api/${version}` : `/apis/${group}/${version}`).catch(
        error => {
          if (error instanceof KubernetesError && error.status === 404) return {} as ResourceList
          throw error
        }
      )
      // Subresources are listed beside their parents, as `pods/log`.
      const found = resources.find(candidate => candidate.kind === kind && !candidate.name.includes('/'))
      if (found === undefined) {
        throw new KubernetesError('KUBERNETES_UNKNOWN_KIND', `the API server has no kind ${kind} in ${apiVersion}`)
      }
      const res: Resource = { group: group!, version: version!, plural: found.name, kind, namespaced: found.namespaced }
      discovered.set(key, res)
      return res
    }
  }
}
