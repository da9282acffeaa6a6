import type { V1Container, V1Pod } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { containerCommand, containerEnvironment, expandReferences } from './environment.ts'
import type { ObjectSources } from './object-sources.ts'
import { containerResource } from './pod-fields.ts'

const sources: ObjectSources = {
  configMap: (_, name) => (name === 'settings' ? { data: { COLOUR: 'red', SIZE: '4' } } : undefined),
  secret: (_, name) => (name === 'keys' ? { data: { token: Buffer.from('s3cret').toString('base64') } } : undefined)
}

function environmentOf(container: Partial<V1Container>): Record<string, string> {
  const main: V1Container = { name: 'main', ...container }
  const pod: V1Pod = {
    metadata: { name: 'till-0', namespace: 'shop', uid: 'u1', labels: { app: 'till' } },
    spec: { containers: [main], serviceAccountName: 'till' }
  }
  const variables = containerEnvironment({
    pod,
    container: main,
    image: { command: ['x'], env: { FROM_IMAGE: 'yes', COLOUR: 'grey' } },
    facts: { nodeName: 'node-1', hostIp: '172.18.0.2', podIps: ['10.244.1.7'] },
    sources,
    hostname: 'till-0',
    kubernetesService: { ip: '10.96.0.1', port: 443 }
  })
  return Object.fromEntries(variables)
}

const field = (fieldPath: string) => ({ fieldRef: { fieldPath } })

describe('containerEnvironment', () => {
  it('starts with the image and the API service', () => {
    expect(environmentOf({})).toMatchObject({
      FROM_IMAGE: 'yes',
      HOSTNAME: 'till-0',
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      KUBERNETES_SERVICE_PORT: '443'
    })
  })

  it('lets envFrom override the image and env override envFrom', () => {
    const variables = environmentOf({
      envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'K_', secretRef: { name: 'keys' } }],
      env: [{ name: 'SIZE', value: '5' }]
    })
    expect(variables).toMatchObject({ COLOUR: 'red', SIZE: '5', K_token: 's3cret' })
  })

  it.each([
    ['metadata.name', 'till-0'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'u1'],
    ["metadata.labels['app']", 'till'],
    ['spec.nodeName', 'node-1'],
    ['spec.serviceAccountName', 'till'],
    ['status.hostIP', '172.18.0.2'],
    ['status.podIP', '10.244.1.7']
  ])('resolves field %s', (path, value) => {
    expect(environmentOf({ env: [{ name: 'V', valueFrom: field(path) }] }).V).toBe(value)
  })

  it('resolves keys of ConfigMaps and Secrets, leaving out optional ones that are missing', () => {
    const variables = environmentOf({
      env: [
        { name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'COLOUR' } } },
        { name: 'B', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'settings', key: 'NONE', optional: true } } },
        { name: 'D', valueFrom: { secretKeyRef: { name: 'none', key: 'x', optional: true } } }
      ]
    })
    expect(variables).toMatchObject({ A: 'red', B: 's3cret' })
    expect(variables).not.toHaveProperty('C')
    expect(variables).not.toHaveProperty('D')
  })

  it.each([
    [{ configMapKeyRef: { name: 'none', key: 'x' } }, 'configmap "none" not found'],
    [{ configMapKeyRef: { name: 'settings', key: 'x' } }, "couldn't find key x in configmap shop/settings"],
    [{ secretKeyRef: { name: 'none', key: 'x' } }, 'secret "none" not found'],
    [field('spec.nonsense'), 'unsupported fieldPath: spec.nonsense']
  ])('refuses %j', (valueFrom, message) => {
    expect(() => environmentOf({ env: [{ name: 'V', valueFrom }] })).toThrow(message)
  })

  it('expands references to earlier variables', () => {
    const variables = environmentOf({
      env: [
        { name: 'A', value: 'x' },
        { name: 'B', value: '$(A)-$(LATER)-$$(A)' },
        { name: 'LATER', value: 'y' }
      ]
    })
    expect(variables.B).toBe('x-$(LATER)-$(A)')
  })
})

it.each([
  ['$(A)', '1'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$1'],
  ['$A $() $', '$A $() $']
])('expandReferences turns %s into %s', (text, expanded) => {
  expect(expandReferences(text, new Map([['A', '1']]))).toBe(expanded)
})

describe('containerCommand', () => {
  const image = { command: ['/bin/app', 'run'], args: ['--fast'] }
  it.each([
    { name: 'the image alone', container: {}, command: ['/bin/app', 'run', '--fast'] },
    {
      name: 'args replace the image args',
      container: { args: ['--slow=$(A)'] },
      command: ['/bin/app', 'run', '--slow=1']
    },
    { name: 'command drops the image args', container: { command: ['sh'] }, command: ['sh'] },
    { name: 'both', container: { command: ['sh', '-c'], args: ['id'] }, command: ['sh', '-c', 'id'] }
  ])('$name', ({ container, command }) => {
    expect(containerCommand({ name: 'main', ...container }, image, new Map([['A', '1']]))).toEqual(command)
  })
})

it.each([
  ['limits.cpu', { limits: { cpu: '1500m' } }, undefined, '2'],
  ['limits.cpu', { limits: { cpu: '1500m' } }, '1m', '1500'],
  ['requests.memory', { requests: { memory: '1Gi' } }, '1Mi', '1024'],
  ['requests.memory', {}, undefined, '0'],
  ['limits.cpu', {}, undefined, '2']
])('containerResource %s of %j by %s is %s', (name, resources, divisor, value) => {
  expect(containerResource(name, { name: 'main', resources } as V1Container, divisor)).toBe(value)
})
