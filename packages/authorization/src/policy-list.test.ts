import { parseSpiffeId } from '@culvert/spiffe'
import { type Authorization, type Cidr, emptyMatch, type Match, type Rule, type StringMatch } from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { connectionFacts } from './connection-facts.ts'
import { policyList } from './policy-list.ts'
import { traceRules } from './trace-rules.ts'

const exact = (value: string): StringMatch => ({ kind: 'exact', value })
const prefix = (value: string): StringMatch => ({ kind: 'prefix', value })
const suffix = (value: string): StringMatch => ({ kind: 'suffix', value })
const presence: StringMatch = { kind: 'presence' }
const match = (lists: Partial<Match>): Match => ({ ...emptyMatch, ...lists })
const cidr = (text: string): Cidr => {
  const [ip = '', length = ''] = text.split('/')
  return { ip, prefixLength: Number(length) }
}

interface Peer {
  /** Absent: plaintext. */
  readonly identity?: string
  readonly source?: string
  readonly destination?: string
  readonly port?: number
}

function matches(rules: readonly Rule[], { identity, source, destination, port }: Peer = {}): boolean {
  const policy: Authorization = { name: 'p', namespace: 'n', scope: 'Namespace', action: 'Deny', dryRun: false, rules }
  const facts = connectionFacts({
    source: { ip: source ?? '10.1.1.1' },
    destination: { ip: destination ?? '10.9.0.7', port: port ?? 80 },
    identity: identity === undefined ? undefined : parseSpiffeId(identity)
  })
  const list = policyList([policy])
  const hit = list.firstHit(facts) !== undefined
  expect(list.hits(facts)).toHaveLength(hit ? 1 : 0)
  expect(traceRules(policy, facts).at(-1)?.holds ?? false).toBe(hit)
  return hit
}

const front = 'spiffe://mesh.demo/ns/web/sa/front'
const of = (namespace: string): string => `spiffe://mesh.demo/ns/${namespace}/sa/any`

describe('rules, clauses and matches', () => {
  it.each([
    { rules: [[[emptyMatch]]], hit: false },
    { rules: [[[]]], hit: true },
    { rules: [[]], hit: true },
    { rules: [], hit: false }
  ])('[authorization-3] $rules.length rules against plaintext: $hit', ({ rules, hit }) => {
    expect(matches(rules)).toBe(hit)
  })

  it.each([
    { namespace: 'a', port: 80, hit: true },
    { namespace: 'b', port: 80, hit: true },
    { namespace: 'c', port: 80, hit: false },
    { namespace: 'a', port: 81, hit: false }
  ])('[authorization-4] any match, all clauses: $namespace on $port gives $hit', ({ namespace, port, hit }) => {
    const rule = [
      [match({ namespaces: [exact('a')] }), match({ namespaces: [exact('b')] })],
      [match({ destinationPorts: [80] })]
    ]
    expect(matches([rule], { identity: of(namespace), port })).toBe(hit)
  })

  it('holds every list of one match together', () => {
    const rules = [[[match({ namespaces: [exact('web')], notPrincipals: [exact('mesh.demo/ns/web/sa/front')] })]]]
    expect(matches(rules, { identity: front })).toBe(false)
    expect(matches(rules, { identity: of('web') })).toBe(true)
  })

  it('skips an empty match beside another', () => {
    const rules = [[[emptyMatch, match({ destinationPorts: [80] })]]]
    expect(matches(rules, { port: 80 })).toBe(true)
    expect(matches(rules, { port: 81 })).toBe(false)
  })
})

describe('identities', () => {
  it('[authorization-10] a service account matches in any trust domain', () => {
    const rules = [[[match({ serviceAccounts: [{ namespace: 'web', serviceAccount: 'front' }] })]]]
    expect(matches(rules, { identity: 'spiffe://other.td/ns/web/sa/front' })).toBe(true)
    expect(matches(rules, { identity: 'spiffe://other.td/ns/web/sa/back' })).toBe(false)
    expect(matches(rules, { identity: 'spiffe://other.td/ns/we/sa/bfront' })).toBe(false)
    expect(matches(rules)).toBe(false)
  })

  it('[authorization-11] a prefix of principals takes identities, not plaintext', () => {
    const rules = [[[match({ principals: [prefix('mesh.demo/ns/web/')] })]]]
    expect(matches(rules, { identity: 'spiffe://mesh.demo/ns/web/sa/z' })).toBe(true)
    expect(matches(rules, { identity: 'spiffe://mesh.demo/ns/webs/sa/z' })).toBe(false)
    expect(matches(rules)).toBe(false)
  })

  it.each<[string, Partial<Match>, string | undefined, boolean]>([
    ['a principal is exact without the scheme', { principals: [exact('mesh.demo/ns/web/sa/front')] }, front, true],
    ['a policy that names the scheme never matches', { principals: [exact(front)] }, front, false],
    ['case counts', { principals: [exact('mesh.demo/ns/web/sa/Front')] }, front, false],
    ['a suffix', { principals: [suffix('/sa/front')] }, front, true],
    ['an empty prefix is no principal of plaintext', { principals: [prefix('')] }, undefined, false],
    ['presence of a principal', { principals: [presence] }, front, true],
    ['presence of none', { principals: [presence] }, undefined, false],
    ['no principal', { notPrincipals: [presence] }, undefined, true],
    ['not no principal', { notPrincipals: [presence] }, front, false],
    ['the namespace of plaintext is empty', { namespaces: [exact('')] }, undefined, true],
    ['with an empty prefix too', { namespaces: [prefix('')] }, undefined, true],
    ['and not present', { namespaces: [presence] }, undefined, false],
    ['plaintext is of no other namespace', { notNamespaces: [exact('team-a')] }, undefined, true],
    ['nor of an account', { notServiceAccounts: [{ namespace: 'web', serviceAccount: 'front' }] }, undefined, true]
  ])('%s', (_title, lists, identity, hit) => {
    expect(matches([[[match(lists)]]], identity === undefined ? {} : { identity })).toBe(hit)
  })
})

describe('addresses and ports', () => {
  it.each([
    ['10.200.0.1', true],
    ['11.0.0.1', false],
    ['fd00::1', false],
    ['::ffff:10.200.0.1', true]
  ])('[authorization-12] 10.1.2.3/8 holds %s: %s', (source, hit) => {
    expect(matches([[[match({ sourceIps: [cidr('10.1.2.3/8')] })]]], { source })).toBe(hit)
  })

  it.each([
    ['10.20.0.0/15', '10.21.255.255', true],
    ['10.20.0.0/15', '10.22.0.0', false],
    ['10.20.0.1/32', '10.20.0.1', true],
    ['10.20.0.1/32', '10.20.0.2', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['0.0.0.0/0', 'fd00::1', false],
    ['::/0', 'fd00::1', true],
    ['fd00:0:0:1::/64', 'fd00:0:0:1:ffff::', true],
    ['fd00:0:0:1::/64', 'fd00:0:0:2::', false],
    ['::ffff:10.0.0.0/104', '10.0.0.1', false]
  ])('%s holds %s: %s', (prefixText, ip, hit) => {
    expect(matches([[[match({ destinationIps: [cidr(prefixText)] })]]], { destination: ip })).toBe(hit)
    expect(matches([[[match({ notSourceIps: [cidr(prefixText)] })]]], { source: ip })).toBe(!hit)
  })

  it('compares the destination port', () => {
    expect(matches([[[match({ destinationPorts: [80, 9000] })]]], { port: 9000 })).toBe(true)
    expect(matches([[[match({ notDestinationPorts: [9000] })]]], { port: 9000 })).toBe(false)
    expect(matches([[[match({ notDestinationPorts: [9000] })]]], { port: 9001 })).toBe(true)
  })
})
