import { describe, expect, it } from 'vitest'
import { rawRequest } from './testing/test-request.ts'
import { namespace, pod, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

describe('tokens', () => {
  it('bound to a pod end with it', async () => {
    const account = { name: 'default', namespace }
    const { metadata } = await t.core.createNamespacedPod({ namespace, body: pod('one') })
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'one', uid: metadata!.uid! }
    const { status } = await t.core.createNamespacedServiceAccountToken({
      ...account,
      body: { spec: { audiences: ['a'], boundObjectRef } }
    })
    const review = async () => {
      const { body } = await t.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        spec: { token: status?.token, audiences: ['a', 'b'] }
      })
      return JSON.parse(body).status
    }
    expect(await review()).toMatchObject({
      authenticated: true,
      audiences: ['a'],
      user: {
        username: 'system:serviceaccount:default:default',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['one'],
          'authentication.kubernetes.io/pod-uid': [metadata?.uid]
        }
      }
    })
    await t.core.deleteNamespacedPod({ name: 'one', namespace })
    expect(await review()).toMatchObject({ user: {}, error: expect.stringContaining('pod one has been deleted') })
  })

  it('open the API only when meant for it', async () => {
    const token = async (audiences: string[]) =>
      (await t.core.createNamespacedServiceAccountToken({ name: 'default', namespace, body: { spec: { audiences } } }))
        .status?.token
    const list = async (bearer: string | undefined) =>
      (
        await rawRequest(t.server, {
          method: 'GET',
          path: '/api/v1/pods',
          headers: { authorization: `Bearer ${bearer}` }
        })
      ).code
    expect(await list(await token([]))).toBe(200)
    expect(await list(await token(['istio-ca']))).toBe(401)
    expect(await list('x.y.z')).toBe(401)
  })

  it.each([
    { spec: { expirationSeconds: 60 }, code: 422 },
    { spec: { boundObjectRef: { kind: 'Pod', name: 'nobody' } }, code: 404 },
    { spec: { audiences: 'x' }, code: 400 }
  ])('are refused: $spec', async ({ spec, code }) => {
    expect((await t.request('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', { spec })).code).toBe(
      code
    )
  })
})
