import type { V1CustomResourceDefinition } from '@kubernetes/client-node'
import { timestamp, type KubeObject } from '../objects.ts'
import type { FieldError } from '../status.ts'
import type { Strategy } from '../strategy.ts'
import { invalidValue, notSupported, required } from '../validation/field-errors.ts'
import { fill, listOf } from './fill.ts'

/** Holds a definition until its objects are deleted. */
export const customCleanup = 'customresourcecleanup.apiextensions.k8s.io'

export const customResourceDefinitionStrategy: Strategy = {
  defaults(object) {
    const { spec } = object as unknown as V1CustomResourceDefinition
    if (typeof spec?.names !== 'object' || typeof spec.names.kind !== 'string') return
    fill(spec, { conversion: { strategy: 'None' } })
    fill(spec.names, { singular: spec.names.kind.toLowerCase(), listKind: `${spec.names.kind}List` })
  },
  prepareCreate(object) {
    object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), customCleanup])]
    object.status = acceptedStatus(object)
  },
  prepareUpdate(object) {
    object.status = { ...(object.status as object), ...acceptedStatus(object, object.status as StoredStatus) }
  },
  validate
}

interface StoredStatus {
  conditions?: unknown[]
}

/** What Kubernetes' own controllers would write a moment later: names are accepted, the kind is served. */
function acceptedStatus(object: KubeObject, old?: StoredStatus): object {
  const { spec, metadata } = object as unknown as V1CustomResourceDefinition
  const lastTransitionTime = metadata?.creationTimestamp ?? timestamp(new Date())
  const condition = (type: string, reason: string, message: string): object => ({
    type,
    status: 'True',
    reason,
    message,
    lastTransitionTime
  })
  return {
    acceptedNames: structuredClone(spec?.names ?? {}),
    storedVersions: listOf(spec?.versions)
      .filter(({ storage }) => storage)
      .map(({ name }) => name),
    conditions: old?.conditions ?? [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted')
    ]
  }
}

function validate(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const { spec, metadata } = object as unknown as V1CustomResourceDefinition
  const before = (old as unknown as V1CustomResourceDefinition | undefined)?.spec
  const errors: FieldError[] = []
  if (!spec?.group) errors.push(required('spec.group', ''))
  if (!spec?.names?.plural) errors.push(required('spec.names.plural', ''))
  if (!spec?.names?.kind) errors.push(required('spec.names.kind', ''))
  const scopes = ['Cluster', 'Namespaced']
  if (!scopes.includes(spec?.scope)) errors.push(notSupported('spec.scope', spec?.scope ?? '', scopes))
  const versions = listOf(spec?.versions)
  if (versions.filter(({ storage }) => storage).length !== 1) {
    errors.push(
      invalidValue(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version'
      )
    )
  }
  for (const [index, { name, schema }] of versions.entries()) {
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name ?? ''))
      errors.push(invalidValue(`spec.versions[${index}].name`, name ?? '', 'must be a DNS-1035 label'))
    if (schema?.openAPIV3Schema === undefined)
      errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`, 'schemas are required'))
  }
  const wanted = `${spec?.names?.plural}.${spec?.group}`
  if (errors.length === 0 && metadata?.name !== wanted) {
    errors.push(invalidValue('metadata.name', metadata?.name ?? '', 'must be spec.names.plural+"."+spec.group'))
  }
  if (before !== undefined && errors.length === 0) {
    if (before.group !== spec.group) errors.push(invalidValue('spec.group', spec.group, 'field is immutable'))
    if (before.scope !== spec.scope) errors.push(invalidValue('spec.scope', spec.scope, 'field is immutable'))
    if (before.names.plural !== spec.names.plural) {
      errors.push(invalidValue('spec.names.plural', spec.names.plural, 'field is immutable'))
    }
    if (before.names.kind !== spec.names.kind)
      errors.push(invalidValue('spec.names.kind', spec.names.kind, 'field is immutable'))
  }
  return errors
}
