import { parseSpiffeId } from '@culvert/spiffe'
import {
  type Authorization,
  createPolicyStore,
  emptyMatch,
  type Match,
  type PolicyStore,
  type Rule
} from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { createAuthorizer, type JudgedWorkload, type Verdict } from './authorizer.ts'

const always: readonly Rule[] = [[]]
const never: readonly Rule[] = []
const rule = (lists: Partial<Match>): readonly Rule[] => [[[{ ...emptyMatch, ...lists }]]]

const policy = (name: string, fields: Partial<Authorization>): Authorization => ({
  name,
  namespace: 'shop',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: never,
  ...fields
})

function storeOf(...policies: readonly Authorization[]): PolicyStore {
  const store = createPolicyStore()
  store.apply({ updates: policies.map(p => [`${p.namespace}/${p.name}`, p] as const), removals: [] })
  return store
}

interface Peer {
  readonly identity?: string
  readonly source?: string
  readonly port?: number
}

/** What one connection to a workload gets, and everything that was said about it. */
function judge(
  store: PolicyStore,
  { identity, source = '10.20.3.4', port = 9000 }: Peer = {},
  workload: JudgedWorkload = { namespace: 'shop', authorizationPolicies: [] }
): { verdict: Verdict; said: string[]; unknown: string[] } {
  const said: string[] = []
  const unknown: string[] = []
  const authorizer = createAuthorizer(store, {
    onEvaluation: event => said.push(event.policy === undefined ? event.message : `${event.message} ${event.policy}`),
    onUnknownPolicy: key => unknown.push(key)
  })
  const verdict = authorizer.evaluate(workload, {
    source: { ip: source },
    destination: { ip: '10.9.0.7', port },
    identity: identity === undefined ? undefined : parseSpiffeId(identity)
  })
  return { verdict, said, unknown }
}

const allowed: Verdict = { allowed: true }
const noneAllowed: Verdict = { allowed: false, reason: 'allow policies exist, but none allowed' }
const deniedBy = (name: string): Verdict => ({ allowed: false, reason: `explicitly denied by: ${name}` })

const front = 'spiffe://mesh.demo/ns/web/sa/front'
const cron = 'spiffe://mesh.demo/ns/batch/sa/cron'
const noIdentity = rule({ notPrincipals: [{ kind: 'presence' }] })

describe('the verdict', () => {
  it('[authorization-1] allows everyone without policies', () => {
    expect(judge(storeOf()).verdict).toEqual(allowed)
    expect(judge(storeOf(), { identity: front })).toEqual({
      verdict: allowed,
      said: ['no allow policies, allow'],
      unknown: []
    })
  })

  it('[authorization-2] an ALLOW without rules closes its namespace, and only that', () => {
    const store = storeOf(policy('none', {}))
    expect(judge(store).verdict).toEqual(noneAllowed)
    expect(judge(store, { identity: front }).verdict).toEqual(noneAllowed)
    expect(judge(store, {}, { namespace: 'web', authorizationPolicies: [] }).verdict).toEqual(allowed)
  })

  it('[authorization-5] DENY wins over ALLOW and is named', () => {
    const store = storeOf(policy('open', { rules: always }), policy('shut', { action: 'Deny', rules: always }))
    expect(judge(store)).toEqual({ verdict: deniedBy('shop/shut'), said: ['deny policy match shop/shut'], unknown: [] })
  })

  it('[authorization-6] an ALLOW for one account refuses another', () => {
    const store = storeOf(
      policy('x', { rules: rule({ serviceAccounts: [{ namespace: 'web', serviceAccount: 'front' }] }) })
    )
    expect(judge(store, { identity: front })).toMatchObject({ verdict: allowed, said: ['allow policy match shop/x'] })
    expect(judge(store, { identity: cron })).toMatchObject({
      verdict: noneAllowed,
      said: ['no allow policies matched']
    })
  })

  it('[authorization-9] strict mTLS closes plaintext only', () => {
    const strict = { namespace: 'shop', authorizationPolicies: ['mesh-root/istio_converted_static_strict'] }
    const store = storeOf(
      policy('istio_converted_static_strict', {
        namespace: 'mesh-root',
        scope: 'WorkloadSelector',
        action: 'Deny',
        rules: noIdentity
      })
    )
    expect(judge(store, {}, strict).verdict).toEqual(deniedBy('mesh-root/istio_converted_static_strict'))
    expect(judge(store, { identity: front }, strict).verdict).toEqual(allowed)
    expect(judge(store).verdict).toEqual(allowed)
  })

  it('judges by global policies everywhere', () => {
    const store = storeOf(
      policy('g', { namespace: 'mesh-root', scope: 'Global', action: 'Deny', rules: always }),
      policy('odd', { namespace: '', action: 'Deny', rules: noIdentity })
    )
    expect(judge(store, {}, { namespace: 'anywhere', authorizationPolicies: [] }).verdict.allowed).toBe(false)
    expect(judge(storeOf(policy('odd', { namespace: '', action: 'Deny', rules: always }))).verdict).toEqual(
      deniedBy('/odd')
    )
  })
})

describe('dry run', () => {
  it('[authorization-13] a dry-run DENY is logged and changes nothing', () => {
    const store = storeOf(
      policy('trial', { action: 'Deny', dryRun: true, rules: always }),
      policy('open', { rules: always })
    )
    expect(judge(store)).toMatchObject({
      verdict: allowed,
      said: ['dry-run: deny policy match shop/trial', 'allow policy match shop/open']
    })
  })

  it('[authorization-14] a dry-run ALLOW that misses is logged and refuses nobody', () => {
    const store = storeOf(policy('trial', { dryRun: true, rules: never }))
    expect(judge(store)).toMatchObject({
      verdict: allowed,
      said: ['dry-run: no allow policies match', 'no allow policies, allow']
    })
  })

  it('says when a dry-run ALLOW hits, and not that it misses beside an enforced one', () => {
    expect(judge(storeOf(policy('trial', { dryRun: true, rules: always }))).said).toEqual([
      'dry-run: allow policy match shop/trial',
      'no allow policies, allow'
    ])
    const both = storeOf(policy('trial', { dryRun: true }), policy('open', { rules: always }))
    expect(judge(both).said).toEqual(['allow policy match shop/open'])
  })
})

describe('named policies', () => {
  const named = (...authorizationPolicies: string[]): JudgedWorkload => ({ namespace: 'shop', authorizationPolicies })

  it('[authorization-15] an unknown name is warned of and the rest decide', () => {
    const store = storeOf(policy('none', {}))
    expect(judge(store, {}, named('shop/missing'))).toMatchObject({ verdict: noneAllowed, unknown: ['shop/missing'] })
    expect(judge(storeOf(), {}, named('shop/missing'))).toMatchObject({ verdict: allowed, unknown: ['shop/missing'] })
  })

  it('[authorization-16] a policy that gets a selector no longer applies to those who do not name it', () => {
    const store = storeOf(policy('p', { action: 'Deny', rules: always }))
    const authorizer = createAuthorizer(store)
    const connection = { source: { ip: '10.1.1.1' }, destination: { ip: '10.9.0.7', port: 80 } }
    expect(authorizer.evaluate(named(), connection)).toEqual(deniedBy('shop/p'))
    store.apply({
      updates: [['shop/p', policy('p', { action: 'Deny', rules: always, scope: 'WorkloadSelector' })]],
      removals: []
    })
    expect(authorizer.evaluate(named(), connection)).toEqual(allowed)
    expect(authorizer.evaluate(named('shop/p'), connection)).toEqual(deniedBy('shop/p'))
    store.apply({ updates: [], removals: ['shop/p'] })
    expect(authorizer.evaluate(named('shop/p'), connection)).toEqual(allowed)
  })

  it('follows global policies as they come and go', () => {
    const store = storeOf()
    const authorizer = createAuthorizer(store)
    const verdict = (): Verdict =>
      authorizer.evaluate(named(), { source: { ip: '10.1.1.1' }, destination: { ip: '10.9.0.7', port: 80 } })
    expect(verdict()).toEqual(allowed)
    const everywhere = policy('g', { namespace: 'root', scope: 'Global', action: 'Deny', rules: always })
    store.apply({ updates: [['root/g', everywhere]], removals: [] })
    expect(verdict()).toEqual(deniedBy('root/g'))
    store.apply({ updates: [], removals: ['root/g'] })
    expect(verdict()).toEqual(allowed)
  })

  it('applies a policy of another namespace to whoever names it', () => {
    const store = storeOf(policy('p', { namespace: 'far', action: 'Deny', rules: always }))
    expect(judge(store).verdict).toEqual(allowed)
    expect(judge(store, {}, named('far/p')).verdict).toEqual(deniedBy('far/p'))
  })

  it('evaluates once what is named and applies anyway', () => {
    const store = storeOf(policy('p', { action: 'Deny', dryRun: true, rules: always }))
    expect(judge(store, {}, named('shop/p')).said).toEqual([
      'dry-run: deny policy match shop/p',
      'no allow policies, allow'
    ])
  })
})

// docs/spec/authorization.md 8.2 and 8.3.
describe('worked examples', () => {
  const till = policy('till', {
    rules: [
      [
        [{ ...emptyMatch, destinationPorts: [9000] }],
        [
          {
            ...emptyMatch,
            principals: [{ kind: 'exact', value: 'mesh.demo/ns/web/sa/front' }],
            sourceIps: [{ ip: '10.20.0.0', prefixLength: 16 }]
          }
        ]
      ]
    ]
  })
  const noCron = policy('no-cron', {
    scope: 'WorkloadSelector',
    action: 'Deny',
    rules: rule({ serviceAccounts: [{ namespace: 'batch', serviceAccount: 'cron' }], notDestinationPorts: [9100] })
  })
  const staticStrict = policy('istio_converted_static_strict', {
    namespace: 'mesh-root',
    scope: 'WorkloadSelector',
    action: 'Deny',
    rules: noIdentity
  })
  const till1 = {
    namespace: 'shop',
    authorizationPolicies: ['shop/no-cron', 'mesh-root/istio_converted_static_strict']
  }

  it.each<{ title: string; peer: Peer; verdict: Verdict; without?: string }>([
    { title: 'front', peer: { identity: front }, verdict: allowed },
    { title: 'front from elsewhere', peer: { identity: front, source: '10.30.3.4' }, verdict: noneAllowed },
    { title: 'cron', peer: { identity: cron }, verdict: deniedBy('shop/no-cron') },
    { title: 'cron on 9100', peer: { identity: cron, port: 9100 }, verdict: noneAllowed },
    { title: 'plaintext', peer: {}, verdict: deniedBy('mesh-root/istio_converted_static_strict') },
    { title: 'front without till', peer: { identity: front }, verdict: allowed, without: 'shop/till' }
  ])('verdicts: $title', ({ peer, verdict, without }) => {
    const store = storeOf(till, noCron, staticStrict)
    if (without !== undefined) store.apply({ updates: [], removals: [without] })
    expect(judge(store, peer, till1).verdict).toEqual(verdict)
  })

  it.each([
    { identity: undefined, port: 9100, closed: false },
    { identity: undefined, port: 9000, closed: true },
    { identity: undefined, port: 8080, closed: true },
    { identity: front, port: 8080, closed: false }
  ])('a port exempted from strict mTLS: $identity on $port closed: $closed', ({ identity, port, closed }) => {
    const converted = policy('converted_peer_authentication_metrics', {
      scope: 'WorkloadSelector',
      action: 'Deny',
      rules: [
        [[{ ...emptyMatch, notDestinationPorts: [9100] }], [{ ...emptyMatch, notPrincipals: [{ kind: 'presence' }] }]]
      ]
    })
    const workload = { namespace: 'shop', authorizationPolicies: ['shop/converted_peer_authentication_metrics'] }
    const peer = identity === undefined ? { port } : { identity, port }
    expect(judge(storeOf(converted), peer, workload).verdict.allowed).toBe(!closed)
  })
})
