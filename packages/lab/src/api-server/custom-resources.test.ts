import { CustomObjectsApi, type KubernetesObject, KubernetesObjectApi } from '@kubernetes/client-node'
import { beforeEach, describe, expect, it } from 'vitest'
import { namespace, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('custom resources', () => {
  const group = 'example.com'
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            required: ['size'],
            properties: {
              size: { type: 'integer', minimum: 1 },
              color: { type: 'string', enum: ['red', 'green'], default: 'red' },
              parts: {
                type: 'array',
                items: { type: 'object', properties: { name: { type: 'string' } } },
                'x-kubernetes-list-type': 'map',
                'x-kubernetes-list-map-keys': ['name']
              }
            }
          },
          status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
        }
      }
    }
  }
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'boxes.example.com' },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'boxes', kind: 'Box' },
      versions: [version, { ...version, name: 'v1beta1', storage: false }]
    }
  }
  const box = (spec: object) =>
    ({ apiVersion: 'example.com/v1', kind: 'Box', metadata: { name: 'a', namespace }, spec }) as KubernetesObject
  let objects: CustomObjectsApi
  let generic: KubernetesObjectApi

  beforeEach(async () => {
    objects = t.config.makeApiClient(CustomObjectsApi)
    generic = KubernetesObjectApi.makeApiClient(t.config)
    // Raw: the library's own serializer loses what it does not know of schemas.
    const { code } = await t.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd)
    expect(code).toBe(201)
  })

  it('are served in all their versions, with defaults, pruned', async () => {
    const made = (await generic.create(box({ size: 1, unknown: 2 }))) as KubernetesObject & { spec: unknown }
    expect(made.spec).toEqual({ size: 1, color: 'red' })
    const beta = await objects.getNamespacedCustomObject({
      group,
      version: 'v1beta1',
      namespace,
      plural: 'boxes',
      name: 'a'
    })
    expect(beta).toMatchObject({ apiVersion: 'example.com/v1beta1', kind: 'Box', spec: { size: 1 } })
    const { code } = await t.request('GET', '/apis/example.com/v2/boxes')
    expect(code).toBe(404)
  })

  it.each([
    { spec: {}, message: 'Box.example.com "a" is invalid: spec.size: Required value' },
    { spec: { size: 0 }, message: 'spec.size in body should be greater than or equal to 1' },
    { spec: { size: 'x' }, message: 'spec.size in body must be of type integer: "string"' },
    {
      spec: { size: 1, color: 'blue' },
      message: 'spec.color: Unsupported value: "blue": supported values: "red", "green"'
    },
    { spec: { size: 1, parts: [{ name: 'a' }, { name: 'a' }] }, message: 'spec.parts[1]: Duplicate value' }
  ])('are validated: $message', async ({ spec, message }) => {
    const { code, body } = await t.request('POST', '/apis/example.com/v1/namespaces/default/boxes', box(spec))
    expect(code).toBe(422)
    expect(JSON.parse(body).message).toContain(message)
  })

  it('keep their status apart', async () => {
    await generic.create(box({ size: 1 }))
    const path = '/apis/example.com/v1/namespaces/default/boxes/a'
    const merge = { 'content-type': 'application/merge-patch+json' }
    const status = await t.request('PATCH', `${path}/status`, { spec: { size: 2 }, status: { done: true } }, merge)
    expect(JSON.parse(status.body)).toMatchObject({
      spec: { size: 1 },
      status: { done: true },
      metadata: { generation: 1 }
    })
    const spec = await t.request('PATCH', path, { spec: { size: 2 }, status: { done: false } }, merge)
    expect(JSON.parse(spec.body)).toMatchObject({
      spec: { size: 2 },
      status: { done: true },
      metadata: { generation: 2 }
    })
    const strategic = await t.request('PATCH', path, {}, { 'content-type': 'application/strategic-merge-patch+json' })
    expect(strategic.code).toBe(415)
  })

  it('go with their definition', async () => {
    await generic.create(box({ size: 1 }))
    await generic.delete(crd as KubernetesObject)
    expect((await t.request('GET', '/apis/example.com/v1/boxes')).code).toBe(404)
    expect(
      (await t.request('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boxes.example.com')).code
    ).toBe(404)
  })
})
