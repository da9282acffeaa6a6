import { describe, expect, it } from 'vitest'
import { containers, namespace, pod, refused, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('refusals', () => {
  it.each([
    {
      name: 'a name that is none',
      body: { metadata: { name: 'No_Name' } },
      message:
        /^ConfigMap "No_Name" is invalid: metadata\.name: Invalid value: "No_Name": a lowercase RFC 1123 subdomain must/
    },
    {
      name: 'no name',
      body: { metadata: {} },
      message: /metadata\.name: Required value: name or generateName is required/
    },
    {
      name: 'a label that is none',
      body: { metadata: { name: 'a', labels: { a: 'b c' } } },
      message: /metadata\.labels: Invalid value: "b c"/
    },
    {
      name: 'a key that cannot be a file',
      body: { metadata: { name: 'a' }, data: { 'a/b': '' } },
      message: /data\[a\/b\]: Invalid value/
    }
  ])('$name', async ({ body, message }) => {
    const { code, body: text } = await t.request('POST', '/api/v1/namespaces/default/configmaps', body)
    expect(code).toBe(422)
    expect(JSON.parse(text)).toMatchObject({
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'Invalid',
      message: expect.stringMatching(message),
      code: 422
    })
  })

  it.each([
    { name: 'no containers', spec: {}, message: 'spec.containers: Required value' },
    {
      name: 'a container without an image',
      spec: { containers: [{ name: 'a' }] },
      message: 'spec.containers[0].image: Required value'
    },
    {
      name: 'two containers of one name',
      spec: { containers: [...containers, ...containers] },
      message: 'spec.containers[1].name: Duplicate value: "main"'
    },
    {
      name: 'a mount of nothing',
      spec: { containers: [{ ...containers[0], volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
      message: 'spec.containers[0].volumeMounts[0].name: Not found: "v"'
    },
    {
      name: 'a port out of range',
      spec: { containers: [{ ...containers[0], ports: [{ containerPort: 70_000 }] }] },
      message: 'must be between 1 and 65535, inclusive'
    },
    {
      name: 'an unknown policy',
      spec: { containers, restartPolicy: 'Sometimes' },
      message: 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'
    }
  ])('a pod with $name', async ({ spec, message }) => {
    const { code, body } = await t.request('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'p' }, spec })
    expect(code).toBe(422)
    expect(JSON.parse(body).message).toContain(message)
  })

  it('a change of what a pod may not change', async () => {
    const made = await t.core.createNamespacedPod({ namespace, body: pod('one') })
    const body = { ...made, spec: { ...made.spec!, hostNetwork: true } }
    expect(await refused(t.core.replaceNamespacedPod({ name: 'one', namespace, body }))).toMatchObject({
      code: 422,
      message: expect.stringContaining('pod updates may not change fields other than')
    })
  })

  it.each([
    {
      name: 'a number where text belongs',
      body: { metadata: { name: 'a' }, data: { a: 1 } },
      path: 'configmaps',
      message: 'json: cannot unmarshal number 1 into Go struct field ConfigMap.data.a of type string'
    },
    {
      name: 'text where a number belongs',
      body: { metadata: { name: 'a' }, spec: { ports: [{ port: '80' }] } },
      path: 'services',
      message: 'cannot unmarshal string'
    },
    {
      name: 'a list where an object belongs',
      body: { metadata: [] },
      path: 'configmaps',
      message: 'cannot unmarshal array'
    }
  ])('$name', async ({ body, path, message }) => {
    const answer = await t.request('POST', `/api/v1/namespaces/default/${path}`, body)
    expect(answer.code).toBe(400)
    expect(JSON.parse(answer.body).message).toContain(message)
  })

  it('unknown fields, as the request asks', async () => {
    const body = { metadata: { name: 'a' }, extra: 1 }
    const strict = await t.request('POST', '/api/v1/namespaces/default/configmaps?fieldValidation=Strict', body)
    expect(strict.code).toBe(400)
    expect(JSON.parse(strict.body).message).toContain('strict decoding error: unknown field "extra"')
    const warned = await t.request('POST', '/api/v1/namespaces/default/configmaps', body)
    expect(warned.headers.warning).toBe('299 - "unknown field \\"extra\\""')
    expect(JSON.parse(warned.body).extra).toBeUndefined()
  })

  it.each([
    {
      name: 'JSON that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"a":',
      code: 400
    },
    {
      name: 'an object of another kind',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"kind":"Secret"}',
      code: 400
    },
    { name: 'a scalar', method: 'POST', path: '/api/v1/namespaces/default/configmaps', body: '1', code: 400 },
    {
      name: 'null metadata fields of odd types',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{"metadata":{"name":{}}}',
      code: 400
    },
    {
      name: 'finalizers that are text',
      method: 'POST',
      path: '/apis/security.istio.io/v1/namespaces/default/authorizationpolicies',
      body: '{"metadata":{"name":"a","finalizers":"x","labels":[1],"ownerReferences":[null]}}',
      code: 422
    },
    {
      name: 'protobuf that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: 'k8s\0\xff\xff',
      type: 'application/vnd.kubernetes.protobuf',
      code: 400
    },
    {
      name: 'a media type that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: '{}',
      type: 'text/plain',
      code: 415
    },
    { name: 'a patch of no type', method: 'PATCH', path: '/api/v1/namespaces/default', body: '{}', code: 415 },
    {
      name: 'YAML that is none',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: 'a: [',
      type: 'application/yaml',
      code: 400
    },
    {
      name: 'a body without end',
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      body: JSON.stringify('x'.repeat(3_200_000)),
      code: 413
    },
    {
      name: 'a namespace that is not there',
      method: 'POST',
      path: '/api/v1/namespaces/nowhere/configmaps',
      body: '{"metadata":{"name":"a"}}',
      code: 404
    },
    { name: 'an unknown kind', method: 'GET', path: '/api/v1/things', code: 404 },
    { name: 'an unknown group', method: 'GET', path: '/apis/a.b/v1', code: 404 },
    { name: 'a namespaced object without its namespace', method: 'GET', path: '/api/v1/pods/a', code: 404 },
    { name: 'an unknown subresource', method: 'GET', path: '/api/v1/namespaces/default/pods/a/b/c/d', code: 404 },
    { name: 'broken escapes', method: 'GET', path: '/api/v1/namespaces/%zz', code: 400 },
    { name: 'an unknown method', method: 'PUT', path: '/api/v1/pods', code: 405 },
    { name: 'a bad selector', method: 'GET', path: '/api/v1/pods?labelSelector=a%20b%20c', code: 400 },
    { name: 'a bad number', method: 'GET', path: '/api/v1/pods?limit=x', code: 400 },
    { name: 'an unspeakable form', method: 'GET', path: '/api/v1/pods', accept: 'text/html', code: 406 },
    {
      name: 'a name from the prototype',
      method: 'GET',
      path: '/api/v1/namespaces/default/configmaps/__proto__',
      code: 404
    }
  ])('$name: $code', async ({ method, path, body, type, accept, code }) => {
    const headers = {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(accept === undefined ? {} : { accept })
    }
    const answer = await t.request(method, path, body, headers)
    expect(answer.code).toBe(code)
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Status', status: 'Failure', code })
    // Still there for the next one.
    expect((await t.request('GET', '/readyz')).body).toBe('ok')
  })
})
