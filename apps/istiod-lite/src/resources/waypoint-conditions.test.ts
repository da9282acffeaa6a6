import { describe, expect, it } from 'vitest'
import { statusPatch } from '../status/condition-writer.ts'
import type { Waypoint } from './waypoint.ts'
import {
  serviceStatus,
  type TargetLookups,
  targetOutcome,
  waypointAccepted,
  workloadEntryStatus
} from './waypoint-conditions.ts'

const lookups: TargetLookups = {
  serviceWaypoint: (_, name) => ({ bound: { namespace: 'infra', name: 'gw' }, plain: null })[name],
  isWaypoint: name => name === 'gw',
  classController: name => ({ 'istio-waypoint': 'istio.io/mesh-controller', other: 'example.org/controller' })[name]
}
const outcome = (kind: string, name: string, namespace = 'shop', group = '') =>
  targetOutcome({ kind, name, group }, namespace, 'root', lookups)

describe('WaypointAccepted', () => {
  it.each([
    ['Service', 'bound', 'shop', 'Accepted', 'bound to infra/gw'],
    ['Service', 'plain', 'shop', 'AncestorNotBound', 'Service shop/plain is not bound to a waypoint'],
    ['ServiceEntry', 'none', 'shop', 'TargetNotFound', 'ServiceEntry shop/none was not found'],
    ['Gateway', 'gw', 'shop', 'Accepted', 'bound to shop/gw'],
    ['Gateway', 'x', 'shop', 'TargetNotFound', 'not bound'],
    [
      'GatewayClass',
      'istio-waypoint',
      'shop',
      'Invalid',
      'AuthorizationPolicy must be in the root namespace `root` when referencing a GatewayClass'
    ],
    ['GatewayClass', 'none', 'root', 'TargetNotFound', 'not bound'],
    [
      'GatewayClass',
      'other',
      'root',
      'Invalid',
      'GatewayClass must use controller name `istio.io/mesh-controller` for waypoints'
    ],
    ['GatewayClass', 'istio-waypoint', 'root', 'Accepted', 'bound to istio-waypoint']
  ])('%s %s in %s: %s', (kind, name, namespace, reason, message) => {
    expect(outcome(kind, name, namespace)).toMatchObject({ reason, message, bound: reason === 'Accepted' })
    const single = waypointAccepted([outcome(kind, name, namespace)]).wants[0]
    expect(single).toEqual({
      type: 'WaypointAccepted',
      status: reason === 'Accepted' ? 'True' : 'False',
      reason,
      message
    })
  })

  it('[authorization-26] sums up several targets', () => {
    const good = outcome('Service', 'bound')
    const bad = outcome('Service', 'plain')
    const gate = outcome('Gateway', 'x', 'shop', 'gateway.networking.k8s.io')
    const sum = (...outcomes: (typeof good)[]) => waypointAccepted(outcomes).wants[0]
    expect(sum(good, good)).toMatchObject({ status: 'True', reason: 'Accepted', message: '' })
    expect(sum(bad, good, gate)).toMatchObject({
      status: 'True',
      reason: 'PartiallyInvalid',
      message: 'Invalid targetRefs: Service.core:shop/plain, Gateway.gateway.networking.k8s.io:shop/x'
    })
    expect(sum(bad, gate)).toMatchObject({ status: 'False', reason: 'Invalid' })
    expect(waypointAccepted([]).wants).toEqual([])
  })
})

const waypoint = { namespace: 'infra', name: 'gw' } as Waypoint
const refused = { kind: 'refused', reason: 'UnsupportedTrafficType', reference: waypoint } as const

it('an entry that only inherits a waypoint for services says nothing; its own label does', () => {
  expect(workloadEntryStatus(refused, false).wants).toEqual([])
  expect(workloadEntryStatus(refused, true).wants).toMatchObject([
    { status: 'False', reason: 'UnsupportedTrafficType' }
  ])
})

describe('the patch of a status', () => {
  const now = new Date('2026-03-04T05:06:07.890Z')
  const wanted = serviceStatus({ kind: 'bound', waypoint }, true)
  const [condition] = statusPatch({ metadata: { generation: 3 } }, wanted, now)?.status.conditions ?? []

  it('has the generation seen and the time of the change', () => {
    expect(condition).toEqual({
      type: 'istio.io/WaypointBound',
      status: 'True',
      reason: 'WaypointAccepted',
      message: expect.stringContaining('infra/gw'),
      observedGeneration: 3,
      lastTransitionTime: '2026-03-04T05:06:07Z'
    })
  })

  it('is none when nothing differs, keeps the time while the status stays, and prunes what is not wanted', () => {
    const object = {
      metadata: { generation: 3 },
      status: { conditions: [condition!, { type: 'Other', status: 'True' }] }
    }
    const later = new Date('2026-09-09T00:00:00Z')
    expect(statusPatch(object, wanted, later)).toBeUndefined()
    const moved = { ...object, metadata: { generation: 4 } }
    expect(statusPatch(moved, wanted, later)?.status.conditions).toEqual([{ ...condition, observedGeneration: 4 }])
    const refusedNow = serviceStatus(refused, false)
    expect(statusPatch(object, refusedNow, later)?.status.conditions[0]?.lastTransitionTime).toBe(
      '2026-09-09T00:00:00Z'
    )
    expect(statusPatch(object, serviceStatus({ kind: 'none' }, false), later)).toEqual({ status: { conditions: [] } })
    expect(statusPatch({ status: { conditions: [] } }, serviceStatus({ kind: 'none' }, false), later)).toBeUndefined()
  })
})
