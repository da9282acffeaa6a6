import { describe, expect, it } from 'vitest'
import { formatSpiffeId, parseSpiffeId } from './spiffe-id.ts'

describe('[identity-ca-1] SPIFFE ids', () => {
  it.each([
    ['spiffe://td.with.dots/ns/a.b/sa/c.d', { trustDomain: 'td.with.dots', namespace: 'a.b', serviceAccount: 'c.d' }],
    ['spiffe://td/ns//sa/', { trustDomain: 'td', namespace: '', serviceAccount: '' }],
    ['spiffe:///ns/a/sa/b', { trustDomain: '', namespace: 'a', serviceAccount: 'b' }]
  ])('%s is accepted and formats back', (text, id) => {
    expect(parseSpiffeId(text)).toEqual(id)
    expect(formatSpiffeId(id)).toBe(text)
  })

  it.each([
    'td/ns/a/sa/b',
    'spiffe://td/ns/a/sa',
    'spiffe://td/ns/a/sa/b/',
    'spiffe://td/foo/a/sa/b',
    'spiffe://td/ns/a/foo/b',
    'spiffe://td/custom',
    'SPIFFE://td/ns/a/sa/b',
    ''
  ])('%j is rejected', text => {
    expect(parseSpiffeId(text)).toBeUndefined()
  })
})
