import type { V1Node, V1Pod } from '@culvert/kubernetes'
import { expect, it } from 'vitest'
import { daemonTolerations, whyNot } from './node-selection.ts'

const node = (spec: V1Node['spec'] = {}, ready = 'True'): V1Node => ({
  metadata: { name: 'one', labels: { zone: 'a', cores: '4' } },
  spec,
  status: { conditions: [{ type: 'Ready', status: ready }] }
})
const pod = (spec: object): V1Pod => ({ spec: { containers: [], ...spec } })
const affinity = (...nodeSelectorTerms: object[]) => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } }
})
const expression = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }]
})
const unwanted = "node(s) didn't match Pod's node affinity/selector"
const taint = { key: 'k', value: 'v', effect: 'NoSchedule' }

it.each([
  { name: 'anything', spec: {}, reason: undefined },
  { name: 'a label', spec: { nodeSelector: { zone: 'a' } }, reason: undefined },
  { name: 'another label', spec: { nodeSelector: { zone: 'b' } }, reason: unwanted },
  { name: 'one of values', spec: affinity(expression('zone', 'In', 'a', 'b')), reason: undefined },
  { name: 'none of values', spec: affinity(expression('zone', 'NotIn', 'a')), reason: unwanted },
  { name: 'a label at all', spec: affinity(expression('zone', 'Exists')), reason: undefined },
  { name: 'no label', spec: affinity(expression('zone', 'DoesNotExist')), reason: unwanted },
  { name: 'more', spec: affinity(expression('cores', 'Gt', '3')), reason: undefined },
  { name: 'less', spec: affinity(expression('cores', 'Lt', '3')), reason: unwanted },
  {
    name: 'either of two terms',
    spec: affinity(expression('zone', 'In', 'b'), expression('cores', 'Gt', '3')),
    reason: undefined
  },
  { name: 'a term that says nothing', spec: affinity({}), reason: unwanted },
  {
    name: 'this node by name',
    spec: affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['one'] }] }),
    reason: undefined
  },
  {
    name: 'another node by name',
    spec: affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['two'] }] }),
    reason: unwanted
  },
  { name: 'a cordoned node', spec: {}, node: node({ unschedulable: true }), reason: 'node(s) were unschedulable' },
  {
    name: 'a node that is not ready',
    spec: {},
    node: node({}, 'False'),
    reason: 'node(s) had untolerated taint {node.kubernetes.io/not-ready: }'
  },
  {
    name: 'a daemon on a node that is not ready',
    spec: { tolerations: daemonTolerations },
    node: node({ unschedulable: true }, 'False'),
    reason: undefined
  },
  { name: 'a taint', spec: {}, node: node({ taints: [taint] }), reason: 'node(s) had untolerated taint {k: v}' },
  {
    name: 'a taint that only asks',
    spec: {},
    node: node({ taints: [{ ...taint, effect: 'PreferNoSchedule' }] }),
    reason: undefined
  },
  {
    name: 'a tolerated taint',
    spec: { tolerations: [{ key: 'k', value: 'v' }] },
    node: node({ taints: [taint] }),
    reason: undefined
  },
  {
    name: 'a taint of another value',
    spec: { tolerations: [{ key: 'k', value: 'w' }] },
    node: node({ taints: [taint] }),
    reason: 'node(s) had untolerated taint {k: v}'
  },
  {
    name: 'everything tolerated',
    spec: { tolerations: [{ operator: 'Exists' }] },
    node: node({ taints: [taint] }),
    reason: undefined
  }
])('$name', ({ spec, reason, node: given = node() }) => {
  expect(whyNot(pod(spec), given)).toBe(reason)
})
