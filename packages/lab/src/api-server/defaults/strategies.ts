import type { ResourceDefinition } from '../resource-definition.ts'
import type { Strategy } from '../strategy.ts'
import { namespaceStrategy } from './namespace.ts'

const strategies: Readonly<Record<string, Strategy>> = {
  '/namespaces': namespaceStrategy
}

const plain: Strategy = {}

/** What is particular to the writes of a kind; most kinds have nothing. */
export function strategyOf({ storageKey }: ResourceDefinition): Strategy {
  return Object.hasOwn(strategies, storageKey) ? strategies[storageKey]! : plain
}
