import type { ResourceDefinition } from '../resource-definition.ts'
import { applyDefaults, validateAgainst } from '../schema/custom-schema.ts'
import type { Schema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import type { Strategy } from '../strategy.ts'
import { configMapStrategy, secretStrategy } from './config-data.ts'
import { customResourceDefinitionStrategy } from './custom-resource-definition.ts'
import { namespaceStrategy } from './namespace.ts'
import { nodeStrategy } from './node.ts'
import { podStrategy } from './pod.ts'
import { serviceStrategy } from './service.ts'
import {
  daemonSetStrategy,
  deploymentStrategy,
  jobStrategy,
  replicaSetStrategy,
  statefulSetStrategy
} from './workloads.ts'

const strategies: Readonly<Record<string, Strategy>> = {
  '/configmaps': configMapStrategy,
  '/namespaces': namespaceStrategy,
  '/nodes': nodeStrategy,
  '/pods': podStrategy,
  '/secrets': secretStrategy,
  '/services': serviceStrategy,
  'apps/daemonsets': daemonSetStrategy,
  'apps/deployments': deploymentStrategy,
  'apps/replicasets': replicaSetStrategy,
  'apps/statefulsets': statefulSetStrategy,
  'batch/jobs': jobStrategy,
  'apiextensions.k8s.io/customresourcedefinitions': customResourceDefinitionStrategy
}

const plain: Strategy = {}

/** What is particular to the writes of a kind; most built-in kinds have nothing, custom ones have their schema. */
export function createStrategies(schemas: Schemas): (definition: ResourceDefinition) => Strategy {
  return definition => {
    if (!definition.builtIn) return customStrategy(schemas.of(definition))
    return Object.hasOwn(strategies, definition.storageKey) ? strategies[definition.storageKey]! : plain
  }
}

function customStrategy(schema: Schema | undefined): Strategy {
  return {
    defaults: object => applyDefaults(object, schema),
    validate: object => validateAgainst(object, schema, '')
  }
}
