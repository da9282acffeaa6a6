import { describe, expect, it } from 'vitest'
import type { Authorization } from '../model/authorization.ts'
import { createPolicyStore } from './policy-store.ts'

const policy = (name: string, fields: Partial<Authorization> = {}): readonly [string, Authorization] => {
  const made = { name, namespace: 'shop', action: 'Deny', dryRun: false, rules: [], ...fields } as const
  return [`${made.namespace}/${name}`, { scope: 'Namespace', ...made }]
}

describe('the policy store', () => {
  it('files by scope', () => {
    const store = createPolicyStore()
    store.apply({
      updates: [
        policy('n'),
        policy('g', { namespace: 'root', scope: 'Global' }),
        policy('s', { scope: 'WorkloadSelector' }),
        policy('odd', { namespace: '' })
      ],
      removals: []
    })
    expect([...store.ofNamespace('shop').keys()]).toEqual(['shop/n'])
    expect([...store.ofNamespace('').keys()]).toEqual([])
    expect([...store.ofNamespace('root').keys()]).toEqual([])
    expect([...store.global().keys()]).toEqual(['root/g', '/odd'])
    expect(store.policy('shop/s')?.name).toBe('s')
  })

  it('files again what is replaced, and forgets what is removed', () => {
    const store = createPolicyStore()
    store.apply({ updates: [policy('p')], removals: [] })
    store.apply({ updates: [policy('p', { scope: 'WorkloadSelector' })], removals: [] })
    expect(store.ofNamespace('shop').size).toBe(0)
    store.apply({ updates: [policy('p', { scope: 'Global' })], removals: [] })
    expect(store.global().size).toBe(1)
    store.apply({ updates: [], removals: ['shop/p'] })
    expect(store.global().size).toBe(0)
    expect(store.policy('shop/p')).toBeUndefined()
  })

  it('has another map for a namespace that changed, the same for others, and leaves what it gave', () => {
    const store = createPolicyStore()
    store.apply({ updates: [policy('p'), policy('q', { namespace: 'web' })], removals: [] })
    const [shop, web, everyone] = [store.ofNamespace('shop'), store.ofNamespace('web'), store.global()]
    store.apply({ updates: [policy('r'), policy('s')], removals: ['shop/p'] })
    expect([...shop.keys()]).toEqual(['shop/p'])
    expect([...store.ofNamespace('shop').keys()]).toEqual(['shop/r', 'shop/s'])
    expect(store.ofNamespace('web')).toBe(web)
    expect(store.global()).toBe(everyone)
  })

  it('tells of changes, deletions of unknown names included, and of nothing else', () => {
    const store = createPolicyStore()
    let changes = 0
    const stop = store.watch(() => changes++)
    expect(store.apply({ updates: [], removals: [] })).toBe(false)
    expect(changes).toBe(0)
    const before = store.generation()
    expect(store.apply({ updates: [], removals: ['x/y'] })).toBe(true)
    expect(changes).toBe(1)
    expect(store.generation()).not.toBe(before)
    stop()
    store.apply({ updates: [policy('p')], removals: [] })
    expect(changes).toBe(1)
  })
})
