import type { SpiffeId } from '@culvert/spiffe'
import {
  type Authorization,
  type Cidr,
  createPolicyStore,
  type Match,
  type Rule,
  type StringMatch
} from '@culvert/workloads'
import { Random } from '@culvert/testing'
import { expect, it } from 'vitest'
import { createAuthorizer, type JudgedWorkload, type Verdict } from './authorizer.ts'
import { type Connection, connectionFacts } from './connection-facts.ts'
import { policyList } from './policy-list.ts'

const few = <Value>(random: Random, make: () => Value): Value[] =>
  random.below(4) ? [] : Array.from({ length: 1 + random.below(2) }, make)

const namespaces = ['', 'a', 'ab', 'b']
const accounts = ['x', 'y']
const domains = ['td', 'td2']
const ips = ['10.1.2.3', '10.1.3.3', '10.200.0.1', 'fd00::1', 'fd00:1::1', '::ffff:10.1.2.3']
const ports = [80, 81, 9000]

function stringMatch(random: Random, values: readonly string[]): StringMatch {
  const kind = random.pick(['exact', 'exact', 'prefix', 'suffix', 'presence'] as const)
  const value = random.pick(values)
  if (kind === 'presence') return { kind }
  if (kind === 'exact') return { kind, value }
  const length = random.below(value.length + 1)
  return { kind, value: kind === 'prefix' ? value.slice(0, length) : value.slice(length) }
}

const principals = domains.flatMap(td => namespaces.flatMap(ns => accounts.map(sa => `${td}/ns/${ns}/sa/${sa}`)))

function randomMatch(random: Random): Match {
  const namespace = (): StringMatch => stringMatch(random, namespaces)
  const principal = (): StringMatch => stringMatch(random, principals)
  const account = () => ({ namespace: random.pick(namespaces), serviceAccount: random.pick(accounts) })
  const cidr = (): Cidr => {
    const ip = random.pick(ips)
    return { ip, prefixLength: random.below((ip.includes(':') ? 128 : 32) + 1) }
  }
  const port = (): number => random.pick(ports)
  return {
    namespaces: few(random, namespace),
    notNamespaces: few(random, namespace),
    principals: few(random, principal),
    notPrincipals: few(random, principal),
    serviceAccounts: few(random, account),
    notServiceAccounts: few(random, account),
    sourceIps: few(random, cidr),
    notSourceIps: few(random, cidr),
    destinationIps: few(random, cidr),
    notDestinationIps: few(random, cidr),
    destinationPorts: few(random, port),
    notDestinationPorts: few(random, port)
  }
}

const list = <Value>(length: number, make: () => Value): Value[] => Array.from({ length }, make)

const randomPolicy = (random: Random, name: string): Authorization => ({
  name,
  namespace: random.pick(['shop', 'shop', 'root', '']),
  scope: random.pick(['Global', 'Namespace', 'WorkloadSelector']),
  action: random.pick(['Allow', 'Deny']),
  dryRun: random.below(4) === 0,
  rules: list(
    random.below(3),
    (): Rule => list(random.below(3), () => list(random.below(3), () => randomMatch(random)))
  )
})

function randomConnection(random: Random): Connection {
  const identity: SpiffeId | undefined = random.below(3)
    ? { trustDomain: random.pick(domains), namespace: random.pick(namespaces), serviceAccount: random.pick(accounts) }
    : undefined
  return {
    source: { ip: random.pick(ips) },
    destination: { ip: random.pick(ips), port: random.pick(ports) },
    ...(identity && { identity })
  }
}

// docs/spec/authorization.md 2 and 3, read out loud.
const mapped = '::ffff:'
const unmapped = (ip: string): string => (ip.startsWith(mapped) ? ip.slice(mapped.length) : ip)
const bitsOf = (ip: string): string => {
  if (ip.startsWith(mapped)) return '0'.repeat(80) + '1'.repeat(16) + bitsOf(unmapped(ip))
  if (ip.includes('.'))
    return ip
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('')
  const [head = '', tail = ''] = ip.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const zeros = list(8 - groups(head).length - groups(tail).length, () => '0')
  return [...groups(head), ...zeros, ...groups(tail)]
    .map(group => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}

function matchesSay(match: Match, { source, destination, identity }: Connection): boolean {
  const text = (value: string) => (wanted: StringMatch) => {
    if (wanted.kind === 'presence') return value !== ''
    if (wanted.kind === 'exact') return value === wanted.value
    return wanted.kind === 'prefix' ? value.startsWith(wanted.value) : value.endsWith(wanted.value)
  }
  const principal = identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`
  const inside =
    (address: string) =>
    ({ ip, prefixLength }: Cidr) => {
      // A policy that names a mapped address never speaks of an IPv4 one.
      const bits = bitsOf(unmapped(address))
      return bits.length === bitsOf(ip).length && bits.startsWith(bitsOf(ip).slice(0, prefixLength))
    }
  const holds = <Element>(
    positive: readonly Element[],
    negative: readonly Element[],
    hit: (element: Element) => boolean
  ) => (positive.length === 0 || positive.some(hit)) && !negative.some(hit)
  return (
    Object.values(match).some(elements => elements.length > 0) &&
    holds(match.namespaces, match.notNamespaces, text(identity?.namespace ?? '')) &&
    holds(match.principals, match.notPrincipals, wanted => principal !== undefined && text(principal)(wanted)) &&
    holds(
      match.serviceAccounts,
      match.notServiceAccounts,
      wanted => wanted.namespace === identity?.namespace && wanted.serviceAccount === identity.serviceAccount
    ) &&
    holds(match.sourceIps, match.notSourceIps, inside(source.ip)) &&
    holds(match.destinationIps, match.notDestinationIps, inside(destination.ip)) &&
    holds(match.destinationPorts, match.notDestinationPorts, port => port === destination.port)
  )
}

const policySays = ({ rules }: Authorization, connection: Connection): boolean =>
  rules.some(rule => rule.every(clause => clause.length === 0 || clause.some(match => matchesSay(match, connection))))

function plainVerdict(policies: readonly Authorization[], workload: JudgedWorkload, connection: Connection) {
  const key = ({ namespace, name }: Authorization): string => `${namespace}/${name}`
  const inPlay = policies.filter(
    policy =>
      workload.authorizationPolicies.includes(key(policy)) ||
      policy.scope === 'Global' ||
      (policy.scope === 'Namespace' && (policy.namespace === '' || policy.namespace === workload.namespace))
  )
  const enforced = inPlay.filter(({ dryRun }) => !dryRun)
  const denying = enforced.filter(policy => policy.action === 'Deny' && policySays(policy, connection)).map(key)
  const allows = enforced.filter(({ action }) => action === 'Allow')
  const allowed = allows.length === 0 || allows.some(policy => policySays(policy, connection))
  return { inPlay, denying, allowed: denying.length === 0 && allowed }
}

function check(verdict: Verdict, plain: ReturnType<typeof plainVerdict>): void {
  expect(verdict.allowed).toBe(plain.allowed)
  if (verdict.allowed) return
  const reasons = plain.denying.map(name => `explicitly denied by: ${name}`)
  expect(reasons.length > 0 ? reasons : ['allow policies exist, but none allowed']).toContain(verdict.reason)
}

it.each([1, 2, 3, 4])('comes to the verdict of the specification, whatever the policies (%i)', seed => {
  const random = new Random(seed)
  const store = createPolicyStore()
  const authorizer = createAuthorizer(store)
  const known = new Map<string, Authorization>()
  const verdicts = { true: 0, false: 0 }
  const names: JudgedWorkload['authorizationPolicies'][] = [[], ['shop/p1', 'root/p2', 'shop/none'], ['/p3', 'root/p4']]
  for (let round = 0; round < 150; round++) {
    const changed = list(1 + random.below(3), () => randomPolicy(random, `p${random.below(8)}`))
    const updates = changed.map(policy => [`${policy.namespace}/${policy.name}`, policy] as const)
    const removals = [...known.keys()].filter(() => random.below(4) === 0)
    store.apply({ updates, removals })
    for (const [key, policy] of updates) known.set(key, policy)
    for (const key of removals) known.delete(key)
    for (let i = 0; i < 30; i++) {
      const connection = randomConnection(random)
      const workload = { namespace: random.pick(['shop', 'root', 'other']), authorizationPolicies: random.pick(names) }
      const plain = plainVerdict([...known.values()], workload, connection)
      const verdict = authorizer.evaluate(workload, connection)
      check(verdict, plain)
      const { verdict: explained, policies } = authorizer.explain(workload, connection)
      expect(explained).toEqual(verdict)
      expect(new Set(policies.map(({ policy }) => policy))).toEqual(new Set(plain.inPlay))
      for (const { policy, hit, rules } of policies) {
        expect(hit).toBe(policySays(policy, connection))
        if (hit) expect(rules.at(-1)?.clauses.every(({ holds }) => holds)).toBe(true)
      }
      verdicts[`${verdict.allowed}`]++
    }
  }
  expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(100)
})

it.each([5, 6, 7])('finds among hundreds of policies those that the specification does, in order (%i)', seed => {
  const random = new Random(seed)
  const policies = list(400, () => randomPolicy(random, 'p'))
  const { hits, firstHit } = policyList(policies)
  let found = 0
  for (let round = 0; round < 60; round++) {
    const connection = randomConnection(random)
    const wanted = policies.filter(policy => policySays(policy, connection))
    const facts = connectionFacts(connection)
    expect(hits(facts)).toEqual(wanted)
    expect(firstHit(facts)).toBe(wanted[0])
    found += wanted.length
  }
  expect(found).toBeGreaterThan(1_000)
})
