import type { ResourceDefinition } from '../resource-definition.ts'
import { builtInDefinitions, modelOf, schemaName } from './built-in-schemas.ts'
import { type Definitions, resolve, type Schema } from './schema.ts'

/** The schema of each served kind. */
export interface Schemas {
  readonly definitions: Definitions
  of(definition: ResourceDefinition): Schema | undefined
  setCustom(definition: ResourceDefinition, schema: Schema): void
  removeCustom(definition: ResourceDefinition): void
}

export function createSchemas(): Schemas {
  const custom = new Map<string, Schema>()
  const key = ({ group, version, plural }: ResourceDefinition): string => `${group}/${version}/${plural}`
  return {
    definitions: builtInDefinitions,
    of: definition =>
      definition.builtIn
        ? resolve(
            builtInDefinitions[schemaName(modelOf(definition.group, definition.version, definition.kind))],
            builtInDefinitions
          )
        : custom.get(key(definition)),
    setCustom: (definition, schema) => void custom.set(key(definition), schema),
    removeCustom: definition => void custom.delete(key(definition))
  }
}
