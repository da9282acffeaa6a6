import { groupVersion } from '../object-metadata.ts'
import type { Registry } from '../registry.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { modelOf, schemaName } from '../schema/built-in-schemas.ts'
import type { Schema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'

/** A served kind with the name of its schema in the documents. */
export interface DocumentedKind {
  readonly definition: ResourceDefinition
  readonly name: string
}

export function documentedKinds(registry: Registry): DocumentedKind[] {
  return registry.all().map(definition => ({ definition, name: documentName(definition) }))
}

function documentName({ builtIn, group, version, kind }: ResourceDefinition): string {
  if (builtIn) return schemaName(modelOf(group, version, kind))
  return [...group.split('.').reverse(), version, kind].join('.')
}

/** All schemas by name, those of custom kinds among them. */
export function allSchemas(kinds: readonly DocumentedKind[], schemas: Schemas): Record<string, Schema> {
  const all: Record<string, Schema> = { ...schemas.definitions }
  for (const { definition, name } of kinds) {
    if (definition.builtIn) continue
    const { group, version, kind } = definition
    all[name] = { ...schemas.of(definition), 'x-kubernetes-group-version-kind': [{ group, version, kind }] }
  }
  return all
}

/** The path of one object of a kind. */
export function objectPath(definition: ResourceDefinition): string {
  const root = definition.group === '' ? '/api' : '/apis'
  const scope = definition.namespaced ? '/namespaces/{namespace}' : ''
  return `${root}/${groupVersion(definition)}${scope}/${definition.plural}/{name}`
}

/** The query parameters of writes that kubectl looks for before it uses them. */
export const writeParameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'] as const

export const gvkOf = ({
  group,
  version,
  kind
}: ResourceDefinition): { group: string; version: string; kind: string } => ({
  group,
  version,
  kind
})
