import { expect, it } from 'vitest'
import { aWorkload } from '../testing/fixtures.ts'
import { workloadIdentity } from './identity.ts'

it('gives a workload without trust domain and account the defaults', () => {
  expect(workloadIdentity(aWorkload({ uid: 'u', trustDomain: '', serviceAccount: '' }))).toBe(
    'spiffe://cluster.local/ns/shop/sa/default'
  )
})
