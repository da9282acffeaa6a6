import { expect, it } from 'vitest'
import type { Fields, KubeObject } from '../objects.ts'
import { builtInDefinitions, schemaName } from '../schema/built-in-schemas.ts'
import type { StatusError } from '../status.ts'
import { fieldsOf, fromFieldsV1, toFieldsV1 } from './field-set.ts'
import { afterUpdate } from './managed-fields.ts'
import { serverSideApply } from './server-side-apply.ts'

const definitions = builtInDefinitions
const schema = definitions[schemaName('V1Deployment')]
const time = '2026-01-01T00:00:00Z'

function deployment(spec: Fields, labels?: Record<string, string>): KubeObject {
  const metadata = { name: 'cart', namespace: 'shop', ...(labels && { labels }) } as KubeObject['metadata']
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }
}

const containers = (...list: Fields[]): Fields => ({ template: { spec: { containers: list } } })

function apply(live: KubeObject | undefined, applied: KubeObject, name: string, force = false): KubeObject {
  const manager = { name, operation: 'Apply', apiVersion: 'apps/v1', subresource: undefined, time } as const
  return serverSideApply(live, applied, { manager, force, schema, definitions })
}

function update(live: KubeObject, next: KubeObject, name: string): KubeObject {
  const manager = { name, operation: 'Update', apiVersion: 'apps/v1', subresource: undefined, time } as const
  const managedFields = afterUpdate(
    live,
    {
      ...next,
      metadata: { ...next.metadata, ...(live.metadata.managedFields && { managedFields: live.metadata.managedFields }) }
    },
    manager,
    schema,
    definitions
  )
  return { ...next, metadata: { ...next.metadata, managedFields } }
}

const managers = ({ metadata }: KubeObject) => metadata.managedFields?.map(({ manager }) => manager)

it('notes the fields of a new object', () => {
  const made = apply(
    undefined,
    deployment({ replicas: 1, ...containers({ name: 'main', image: 'a' }) }, { x: '1' }),
    'one'
  )
  expect(made.metadata.managedFields).toEqual([
    {
      manager: 'one',
      operation: 'Apply',
      apiVersion: 'apps/v1',
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { 'f:x': {} } },
        'f:spec': {
          'f:replicas': {},
          'f:template': {
            'f:spec': { 'f:containers': { 'k:{"name":"main"}': { '.': {}, 'f:image': {}, 'f:name': {} } } }
          }
        }
      }
    }
  ])
})

it('removes what is no longer applied and nobody else has', () => {
  const made = apply(undefined, deployment({ replicas: 1, paused: true }, { x: '1', y: '2' }), 'one')
  const again = apply(made, deployment({ replicas: 1 }, { x: '1' }), 'one')
  expect(again.spec).toEqual({ replicas: 1 })
  expect(again.metadata.labels).toEqual({ x: '1' })
})

it('keeps what another manager has too', () => {
  const made = apply(undefined, deployment({ replicas: 1 }, { x: '1' }), 'one')
  const both = apply(made, deployment({ replicas: 1 }), 'two')
  const without = apply(both, deployment({}, { x: '1' }), 'one')
  expect(without.spec).toEqual({ replicas: 1 })
})

it('refuses to take a field from another manager, unless forced', () => {
  const made = apply(undefined, deployment({ replicas: 1, paused: true }), 'one')
  const error = (() => {
    try {
      return apply(made, deployment({ replicas: 2 }), 'two')
    } catch (thrown) {
      return thrown as StatusError
    }
  })() as StatusError
  expect(error.status).toMatchObject({
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.spec.replicas' }] }
  })
  const forced = apply(made, deployment({ replicas: 2 }), 'two', true)
  expect(forced.spec).toEqual({ replicas: 2, paused: true })
  // The first manager has lost the field and may not take it away by leaving it out.
  expect(apply(forced, deployment({ paused: true }), 'one').spec).toEqual({ replicas: 2, paused: true })
})

it('does not conflict over the same value', () => {
  const made = apply(undefined, deployment({ replicas: 1 }), 'one')
  expect(managers(apply(made, deployment({ replicas: 1 }), 'two'))).toEqual(['one', 'two'])
})

it('conflicts with what was written by an update', () => {
  const made = apply(undefined, deployment({ replicas: 1 }), 'one')
  const scaled = update(made, deployment({ replicas: 3 }), 'kubectl-scale')
  expect(managers(scaled)).toEqual(['kubectl-scale'])
  expect(() => apply(scaled, deployment({ replicas: 1 }), 'one')).toThrow(
    'conflict with "kubectl-scale" using apps/v1: .spec.replicas'
  )
})

it('merges lists by key: own items change and go, those of others stay', () => {
  const made = apply(
    undefined,
    deployment(containers({ name: 'main', image: 'a' }, { name: 'old', image: 'x' })),
    'one'
  )
  const injected = apply(made, deployment(containers({ name: 'proxy', image: 'p' })), 'injector')
  const again = apply(injected, deployment(containers({ name: 'main', image: 'b' })), 'one')
  expect(again.spec).toEqual(containers({ name: 'main', image: 'b' }, { name: 'proxy', image: 'p' }))
})

it('tells ports apart by number and protocol', () => {
  const ports = (...list: Fields[]) => deployment(containers({ name: 'main', image: 'a', ports: list }))
  const made = apply(undefined, ports({ containerPort: 53, protocol: 'UDP' }), 'one')
  const both = apply(made, ports({ containerPort: 53, protocol: 'TCP' }), 'two')
  expect(both.spec).toMatchObject(
    containers({
      ports: [
        { containerPort: 53, protocol: 'TCP' },
        { containerPort: 53, protocol: 'UDP' }
      ]
    })
  )
})

it('gives a field that an update removed to nobody', () => {
  const made = apply(undefined, deployment({ replicas: 1, paused: true }), 'one')
  const removed = update(made, deployment({ replicas: 1 }), 'two')
  expect(removed.metadata.managedFields).toEqual([
    expect.objectContaining({ manager: 'one', fieldsV1: { 'f:spec': { 'f:replicas': {} } } })
  ])
})

it('reads back the sets it writes', () => {
  const set = fieldsOf(deployment({ replicas: 1, ...containers({ name: 'main' }) }), schema, definitions)
  expect(toFieldsV1(fromFieldsV1(toFieldsV1(set)))).toEqual(toFieldsV1(set))
})
