import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../objects.ts'
import { builtInResources } from '../resource-definition.ts'
import { customColumn } from './custom-columns.ts'
import { humanDuration } from './duration.ts'
import { toTable } from './table.ts'

const now = new Date('2026-01-01T00:10:00Z')
const metadata = { name: 'one', creationTimestamp: '2026-01-01T00:00:00Z' }

/** The row of an object under the columns' names. */
function row(plural: string, object: object): Record<string, unknown> {
  const definition = builtInResources.find(one => one.plural === plural)!
  const table = toTable([{ metadata, ...object } as KubeObject], definition, {}, 'None', now) as {
    columnDefinitions: { name: string }[]
    rows: { cells: unknown[] }[]
  }
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]!.cells[index]]))
}

describe('pods', () => {
  const containers = [{ name: 'a' }, { name: 'b' }]
  const running = { name: 'a', ready: true, restartCount: 0, state: { running: {} } }
  it.each([
    {
      name: 'pending',
      spec: { containers },
      status: { phase: 'Pending' },
      expected: { Ready: '0/2', Status: 'Pending', Restarts: '0' }
    },
    {
      name: 'running',
      spec: { containers },
      status: {
        phase: 'Running',
        containerStatuses: [
          running,
          {
            ...running,
            ready: false,
            restartCount: 2,
            lastState: { terminated: { finishedAt: '2026-01-01T00:09:00Z' } }
          }
        ]
      },
      expected: { Ready: '1/2', Status: 'Running', Restarts: '2 (60s ago)' }
    },
    {
      name: 'without its image',
      spec: { containers },
      status: { phase: 'Pending', containerStatuses: [{ ...running, state: { waiting: { reason: 'ErrImagePull' } } }] },
      expected: { Status: 'ErrImagePull' }
    },
    {
      name: 'in its init containers',
      spec: { containers, initContainers: [{ name: 'i' }, { name: 'j' }] },
      status: {
        phase: 'Pending',
        initContainerStatuses: [{ state: { terminated: { exitCode: 0 } } }, { state: { running: {} } }]
      },
      expected: { Status: 'Init:1/2' }
    },
    {
      name: 'failed by a signal',
      spec: { containers },
      status: {
        phase: 'Failed',
        containerStatuses: [{ ...running, state: { terminated: { signal: 9, exitCode: 137 } } }]
      },
      expected: { Status: 'Signal:9' }
    },
    {
      name: 'going',
      metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:11:00Z' },
      spec: { containers },
      status: { phase: 'Running' },
      expected: { Status: 'Terminating' }
    },
    {
      name: 'placed',
      spec: { containers, nodeName: 'n' },
      status: { phase: 'Running', podIP: '10.244.0.2' },
      expected: { IP: '10.244.0.2', Node: 'n', Age: '10m' }
    }
  ])('$name', ({ expected, name: _, ...pod }) => {
    expect(row('pods', pod)).toMatchObject(expected)
  })
})

it.each([
  {
    plural: 'services',
    object: {
      spec: {
        type: 'NodePort',
        clusterIP: '10.96.0.20',
        ports: [
          { port: 80, nodePort: 30000, protocol: 'TCP' },
          { port: 53, protocol: 'UDP' }
        ]
      }
    },
    expected: {
      Type: 'NodePort',
      'Cluster-IP': '10.96.0.20',
      'External-IP': '<none>',
      'Port(s)': '80:30000/TCP,53/UDP'
    }
  },
  {
    plural: 'services',
    object: { spec: { type: 'LoadBalancer', clusterIP: '10.96.0.20' } },
    expected: { 'External-IP': '<pending>' }
  },
  {
    plural: 'services',
    object: { spec: { type: 'ExternalName', externalName: 'a.test' } },
    expected: { 'Cluster-IP': '<none>', 'External-IP': 'a.test' }
  },
  {
    plural: 'nodes',
    object: {
      metadata: { ...metadata, labels: { 'node-role.kubernetes.io/control-plane': '' } },
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'False' }], nodeInfo: { kubeletVersion: 'v1' } }
    },
    expected: { Status: 'NotReady,SchedulingDisabled', Roles: 'control-plane', Version: 'v1' }
  },
  {
    plural: 'deployments',
    object: {
      spec: { replicas: 3, selector: { matchLabels: { app: 'a' } } },
      status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 }
    },
    expected: { Ready: '1/3', 'Up-to-date': 2, Available: 1, Selector: 'app=a' }
  },
  { plural: 'namespaces', object: { status: { phase: 'Terminating' } }, expected: { Status: 'Terminating' } },
  { plural: 'configmaps', object: { data: { a: '1' }, binaryData: { b: '' } }, expected: { Data: 2 } },
  {
    plural: 'endpointslices',
    object: {
      addressType: 'IPv4',
      ports: [{ port: 80 }],
      endpoints: ['1', '2', '3', '4'].map(one => ({ addresses: [one] }))
    },
    expected: { Ports: '80', Endpoints: '1,2,3 + 1 more...' }
  },
  { plural: 'leases', object: { spec: { holderIdentity: 'x' } }, expected: { Name: 'one', Holder: 'x', Age: '10m' } },
  { plural: 'roles', object: {}, expected: { Name: 'one', Age: '10m' } }
])('$plural: $expected', ({ plural, object, expected }) => {
  expect(row(plural, object)).toMatchObject(expected)
})

it.each([
  [-5, '<invalid>'],
  [0, '0s'],
  [45, '45s'],
  [119, '119s'],
  [120, '2m'],
  [330, '5m30s'],
  [3600, '60m'],
  [11_040, '3h4m'],
  [36_000, '10h'],
  [183_600, '2d3h'],
  [8 * 86_400, '8d'],
  [800 * 86_400, '2y70d']
])('%d seconds are %s', (seconds, text) => {
  expect(humanDuration(seconds * 1000)).toBe(text)
})

describe('columns of custom resources', () => {
  const object = {
    metadata: { name: 'one', creationTimestamp: '2026-01-01T00:00:00Z', annotations: { 'a.b/c': 'd' } },
    spec: { class: 'istio', ports: [{ port: 80 }, { port: 81 }] },
    status: {
      conditions: [
        { type: 'Accepted', status: 'False' },
        { type: 'Programmed', status: 'True' }
      ]
    }
  } as unknown as KubeObject

  it.each([
    { jsonPath: '.spec.class', type: 'string', cell: 'istio' },
    { jsonPath: '.status.conditions[?(@.type=="Programmed")].status', type: 'string', cell: 'True' },
    { jsonPath: '.spec.ports[1].port', type: 'integer', cell: 81 },
    { jsonPath: '.spec.ports[*].port', type: 'integer', cell: 80 },
    { jsonPath: ".metadata.annotations['a.b/c']", type: 'string', cell: 'd' },
    { jsonPath: '.metadata.annotations.a\\.b/c', type: 'string', cell: null },
    { jsonPath: '.metadata.creationTimestamp', type: 'date', cell: '10m' },
    { jsonPath: '.spec.other', type: 'string', cell: null },
    { jsonPath: '.spec.ports', type: 'string', cell: '[{"port":80},{"port":81}]' },
    { jsonPath: '..spec', type: 'string', cell: null }
  ])('$jsonPath', ({ jsonPath, type, cell }) => {
    expect(customColumn({ name: 'C', jsonPath, type }).cell(object, now)).toEqual(cell)
  })
})
