import { builtInResources, type ResourceDefinition } from './resource-definition.ts'

/** Which resources are served at this moment: the built-in ones and those of CustomResourceDefinitions. */
export interface Registry {
  find(group: string, version: string, plural: string): ResourceDefinition | undefined
  findKind(group: string, version: string, kind: string): ResourceDefinition | undefined
  /** All versions of a stored resource, the preferred one first. */
  versions(storageKey: string): readonly ResourceDefinition[]
  all(): readonly ResourceDefinition[]
  /** Replaces what an earlier call with the same name brought. */
  setCustom(name: string, definitions: readonly ResourceDefinition[]): void
  removeCustom(name: string): void
}

export function createRegistry(): Registry {
  const custom = new Map<string, readonly ResourceDefinition[]>()
  let all: readonly ResourceDefinition[] = builtInResources
  let byPath = index(all)

  function refresh(): void {
    all = [...builtInResources, ...[...custom.values()].flat()]
    byPath = index(all)
  }

  return {
    find: (group, version, plural) => byPath.get(`${group}/${version}/${plural}`),
    findKind: (group, version, kind) =>
      all.find(one => one.group === group && one.version === version && one.kind === kind),
    versions: storageKey => all.filter(one => one.storageKey === storageKey),
    all: () => all,
    setCustom(name, definitions) {
      custom.set(name, definitions)
      refresh()
    },
    removeCustom(name) {
      if (custom.delete(name)) refresh()
    }
  }
}

function index(definitions: readonly ResourceDefinition[]): Map<string, ResourceDefinition> {
  return new Map(definitions.map(one => [`${one.group}/${one.version}/${one.plural}`, one]))
}
