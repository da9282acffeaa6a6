import type { Fields } from './objects.ts'
import type { Registry } from './registry.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { subresourcesOf, virtualResources } from './subresources/known-subresources.ts'

/** The discovery documents, in the form before aggregation: every client falls back to it. */
export function discovery(registry: Registry, parts: readonly string[]): Fields | undefined {
  const [root, group, version, more] = parts
  if (root === 'api') {
    if (group === undefined) return coreVersions()
    return version === undefined ? resourceList(registry, '', group) : undefined
  }
  if (root !== 'apis' || more !== undefined) return undefined
  if (group === undefined) return groupList(registry)
  if (version === undefined) return groups(registry).find(one => one.name === group)
  return resourceList(registry, group, version)
}

function coreVersions(): Fields {
  const serverAddressByClientCIDRs: Fields[] = []
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs }
}

function groupList(registry: Registry): Fields {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups(registry).map(({ kind: _, apiVersion: __, ...group }) => group)
  }
}

function groups(registry: Registry): (Fields & { name: string })[] {
  const versions = new Map<string, Set<string>>()
  for (const { group, version } of [...registry.all(), ...virtualResources]) {
    if (group === '') continue
    const known = versions.get(group) ?? new Set()
    versions.set(group, known.add(version))
  }
  return [...versions].map(([name, known]) => {
    const list = [...known].map(version => ({ groupVersion: `${name}/${version}`, version }))
    return { kind: 'APIGroup', apiVersion: 'v1', name, versions: list, preferredVersion: list[0]! }
  })
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

function resourceList(registry: Registry, group: string, version: string): Fields | undefined {
  const stored = registry.all().filter(one => one.group === group && one.version === version)
  const virtual = virtualResources.filter(one => one.group === group && one.version === version)
  if (stored.length === 0 && virtual.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: [
      ...stored.flatMap(describe),
      ...virtual.map(({ plural, kind, namespaced }) => ({
        name: plural,
        singularName: kind.toLowerCase(),
        namespaced,
        kind,
        verbs: ['create']
      }))
    ]
  }
}

function describe(definition: ResourceDefinition): Fields[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = definition
  return [
    {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length === 0 ? {} : { shortNames }),
      ...(categories.length === 0 ? {} : { categories })
    },
    ...subresourcesOf(definition).map(sub => ({
      name: `${plural}/${sub.name}`,
      singularName: '',
      namespaced,
      ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs
    }))
  ]
}
