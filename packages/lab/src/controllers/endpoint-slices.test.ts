import type { V1Pod, V1Service } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { resolvePorts, slicesFor } from './endpoint-slices.ts'

const service = (spec: object): V1Service => ({
  metadata: { name: 'cart', namespace: 'shop', uid: 'u', labels: { team: 'x' } },
  spec: { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 'web', protocol: 'TCP' }], ...spec }
})

interface Shape {
  name?: string
  port?: number
  ready?: boolean
  phase?: string
  ip?: string
  going?: boolean
  labels?: Record<string, string>
}

const pod = ({
  name = 'a',
  port = 8080,
  ready = true,
  phase = 'Running',
  ip = '10.244.0.2',
  going = false,
  labels = { app: 'cart' }
}: Shape): V1Pod => ({
  metadata: {
    name,
    namespace: 'shop',
    uid: `uid-${name}`,
    labels,
    ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {})
  },
  spec: { nodeName: 'n', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: port, protocol: 'TCP' }] }] },
  status: { phase, podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] }
})

const endpointsOf = (spec: object, ...pods: V1Pod[]) =>
  slicesFor(service(spec), pods).flatMap(({ endpoints }) => endpoints ?? [])

it('describes a service', () => {
  const [slice] = slicesFor(service({}), [pod({})])
  expect(slice).toMatchObject({
    metadata: {
      name: expect.stringMatching(/^cart-[a-z0-9]{5}$/),
      namespace: 'shop',
      labels: {
        team: 'x',
        'kubernetes.io/service-name': 'cart',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io'
      },
      ownerReferences: [{ kind: 'Service', name: 'cart', uid: 'u', controller: true }]
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.244.0.2'],
        nodeName: 'n',
        targetRef: { kind: 'Pod', name: 'a', namespace: 'shop', uid: 'uid-a' }
      }
    ]
  })
})

describe('conditions', () => {
  it.each([
    { name: 'ready', shape: {}, spec: {}, conditions: { ready: true, serving: true, terminating: false } },
    {
      name: 'not ready',
      shape: { ready: false },
      spec: {},
      conditions: { ready: false, serving: false, terminating: false }
    },
    { name: 'going', shape: { going: true }, spec: {}, conditions: { ready: false, serving: true, terminating: true } },
    {
      name: 'published in any case',
      shape: { ready: false },
      spec: { publishNotReadyAddresses: true },
      conditions: { ready: true, serving: false, terminating: false }
    }
  ])('$name', ({ shape, spec, conditions }) => {
    expect(endpointsOf(spec, pod(shape))[0]?.conditions).toEqual(conditions)
  })
})

it.each([
  { name: 'finished pods', shape: { phase: 'Succeeded' } },
  { name: 'pods without an address', shape: { ip: '' } },
  { name: 'other pods', shape: { labels: { app: 'other' } } }
])('leaves out $name', ({ shape }) => {
  expect(endpointsOf({}, pod(shape))).toEqual([])
})

it('has no slices for a service that selects nothing', () => {
  expect(slicesFor(service({ selector: {} }), [pod({})])).toEqual([])
})

it('keeps an empty slice for a service without pods', () => {
  expect(slicesFor(service({}), [])).toMatchObject([{ endpoints: [], ports: [] }])
})

it('marks headless services', () => {
  expect(slicesFor(service({ clusterIP: 'None' }), [])[0]?.metadata?.labels).toHaveProperty(
    ['service.kubernetes.io/headless'],
    ''
  )
})

it('tells pods apart whose named ports differ', () => {
  const slices = slicesFor(service({}), [pod({ name: 'a' }), pod({ name: 'b', port: 9090 }), pod({ name: 'c' })])
  expect(slices.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints?.length])).toEqual([
    [8080, 2],
    [9090, 1]
  ])
})

it('splits what is too much for one slice, under names that stay', () => {
  const pods = Array.from({ length: 250 }, (_, index) => pod({ name: `p${String(index).padStart(3, '0')}` }))
  const slices = slicesFor(service({}), pods)
  expect(slices.map(({ endpoints }) => endpoints?.length)).toEqual([100, 100, 50])
  expect(new Set(slices.map(({ metadata }) => metadata?.name)).size).toBe(3)
  expect(slicesFor(service({}), [...pods].reverse())).toEqual(slices)
})

it.each([
  { port: { port: 80 }, resolved: [{ name: '', port: 80, protocol: 'TCP' }] },
  { port: { port: 80, targetPort: 90 }, resolved: [{ name: '', port: 90, protocol: 'TCP' }] },
  {
    port: { port: 80, targetPort: 'web', appProtocol: 'http' },
    resolved: [{ name: '', port: 8080, protocol: 'TCP', appProtocol: 'http' }]
  },
  { port: { port: 80, targetPort: 'web', protocol: 'UDP' }, resolved: [] },
  { port: { port: 80, targetPort: 'none' }, resolved: [] }
])('$port leads to $resolved', ({ port, resolved }) => {
  expect(resolvePorts([port], pod({}))).toEqual(resolved)
})
