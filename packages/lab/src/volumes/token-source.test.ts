import type { KubernetesClient, V1Pod } from '@culvert/kubernetes'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createTokenSource, type TokenSource } from './token-source.ts'

const pod: V1Pod = {
  metadata: { namespace: 'shop', name: 'till-0', uid: 'u1' },
  spec: { containers: [], serviceAccountName: 'till' }
}
const start = new Date('2026-01-01T00:00:00Z').getTime()
const minute = 60_000

let requests: { ref: unknown; body: { spec: Record<string, unknown> } }[]
let source: TokenSource
beforeEach(() => {
  vi.useFakeTimers({ now: start })
  requests = []
  const createSubresource = async (
    _: unknown,
    ref: unknown,
    subresource: string,
    body: { spec: { expirationSeconds: number } }
  ) => {
    expect(subresource).toBe('token')
    requests.push({ ref, body })
    const expirationTimestamp = new Date(Date.now() + body.spec.expirationSeconds * 1000).toISOString()
    return { status: { token: `token-${requests.length}`, expirationTimestamp } }
  }
  source = createTokenSource({ createSubresource } as unknown as KubernetesClient, pod)
})
afterEach(() => {
  vi.useRealTimers()
})

const hour = { audience: 'istio-ca', expirationSeconds: 3600 }

it('asks for a token of the account, bound to the pod', async () => {
  await source.token(hour)
  expect(requests).toMatchObject([
    {
      ref: { namespace: 'shop', name: 'till' },
      body: {
        spec: {
          audiences: ['istio-ca'],
          expirationSeconds: 3600,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'till-0', uid: 'u1' }
        }
      }
    }
  ])
})

it('keeps a token for four fifths of its life', async () => {
  expect(source.untilRenewal()).toBeUndefined()
  expect(await source.token(hour)).toBe('token-1')
  expect(source.untilRenewal()).toBe(48 * minute)
  vi.setSystemTime(start + 48 * minute - 1)
  expect(await source.token(hour)).toBe('token-1')
  vi.setSystemTime(start + 48 * minute)
  expect(source.untilRenewal()).toBe(0)
  expect(await source.token(hour)).toBe('token-2')
  expect(source.untilRenewal()).toBe(48 * minute)
})

it('renews at the latest after a day', async () => {
  await source.token({ audience: undefined, expirationSeconds: 30 * 24 * 3600 })
  expect(source.untilRenewal()).toBe(24 * 60 * minute)
})

it('keeps audiences apart and wakes for the first that is due', async () => {
  await source.token(hour)
  expect(await source.token({ audience: undefined, expirationSeconds: 600 })).toBe('token-2')
  expect(requests[1]!.body.spec.audiences).toEqual([])
  expect(source.untilRenewal()).toBe(8 * minute)
})
