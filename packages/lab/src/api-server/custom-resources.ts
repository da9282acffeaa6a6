import type { V1CustomResourceDefinition } from '@kubernetes/client-node'
import { customCleanup } from './defaults/custom-resource-definition.ts'
import type { KubeObject } from './objects.ts'
import type { Operations } from './operations.ts'
import type { Registry } from './registry.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { withObjectFields } from './schema/custom-schema.ts'
import type { Schema } from './schema/schema.ts'
import type { Schemas } from './schema/schemas.ts'
import type { Store } from './store.ts'

const definitionsKey = 'apiextensions.k8s.io/customresourcedefinitions'

/** Serves the kinds of the stored CustomResourceDefinitions, from when one is stored until it is gone. */
export function serveCustomResources(o: {
  store: Store
  registry: Registry
  schemas: Schemas
  operations: Operations
}): void {
  const { store, registry, schemas, operations } = o

  function serve(object: KubeObject): void {
    stop(object)
    const definitions = definitionsOf(object)
    registry.setCustom(
      object.metadata.name,
      definitions.map(({ definition }) => definition)
    )
    for (const { definition, schema } of definitions) schemas.setCustom(definition, withObjectFields(schema))
  }

  function stop(object: KubeObject): void {
    for (const definition of registry.all()) {
      if (`${definition.plural}.${definition.group}` === object.metadata.name) schemas.removeCustom(definition)
    }
    registry.removeCustom(object.metadata.name)
  }

  /** Deletes the objects of a kind whose definition is being deleted, then lets the definition go. */
  function cleanUp(object: KubeObject): void {
    const [first] = definitionsOf(object)
    if (first === undefined || object.metadata.finalizers?.includes(customCleanup) !== true) return
    const { definition } = first
    for (const { metadata } of store.list(definition.storageKey)) {
      if (metadata.deletionTimestamp !== undefined) continue
      operations.remove({ definition, namespace: metadata.namespace, name: metadata.name }, {})
    }
    if (store.list(definition.storageKey).length > 0) return
    const crds = registry.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')!
    operations.update({ definition: crds, namespace: undefined, name: object.metadata.name }, current => ({
      ...current,
      metadata: {
        ...current.metadata,
        finalizers: current.metadata.finalizers?.filter(one => one !== customCleanup) ?? []
      }
    }))
  }

  store.subscribe(definitionsKey, ({ type, object }) => {
    if (type === 'DELETED') stop(object)
    else serve(object)
    if (type === 'MODIFIED' && object.metadata.deletionTimestamp !== undefined) cleanUp(object)
  })
  // The last object of a kind that is going can be held by a finalizer of its own.
  store.subscribe(undefined, ({ type, storageKey }) => {
    if (type !== 'DELETED' || storageKey === definitionsKey) return
    for (const crd of store.list(definitionsKey)) {
      const { group, names } = (crd as unknown as V1CustomResourceDefinition).spec
      if (crd.metadata.deletionTimestamp !== undefined && storageKey === `${group}/${names.plural}`) cleanUp(crd)
    }
  })
}

function definitionsOf(object: KubeObject): { definition: ResourceDefinition; schema: Schema }[] {
  const { spec } = object as unknown as V1CustomResourceDefinition
  const { group, names, scope } = spec
  return spec.versions
    .filter(({ served }) => served)
    .sort((a, b) => versionRank(b.name) - versionRank(a.name))
    .map(({ name: version, schema, subresources, additionalPrinterColumns }) => ({
      schema: (schema?.openAPIV3Schema ?? {}) as Schema,
      definition: {
        group,
        version,
        kind: names.kind,
        listKind: names.listKind ?? `${names.kind}List`,
        plural: names.plural,
        singular: names.singular ?? names.kind.toLowerCase(),
        shortNames: names.shortNames ?? [],
        categories: names.categories ?? [],
        namespaced: scope === 'Namespaced',
        status: subresources?.status !== undefined,
        scale: false,
        generation: 'content',
        builtIn: false,
        returnsDeleted: false,
        ...(additionalPrinterColumns === undefined ? {} : { printerColumns: additionalPrinterColumns }),
        storageKey: `${group}/${names.plural}`
      }
    }))
}

/** Kubernetes prefers v2 to v1 to v1beta2 to v1beta1 to v1alpha1. */
function versionRank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (match === null) return -1
  const stability = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0
  return stability * 1e6 + Number(match[1]) * 1e3 + Number(match[3] ?? 0)
}
