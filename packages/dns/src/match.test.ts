import { describe, expect, it } from 'vitest'
import { aliases, candidates, type DnsService, matchService } from './match.ts'

const settings = { clusterDomain: 'cluster.local', preferredNamespace: undefined }

function service(hostname: string, namespace: string, rest: Partial<DnsService> = {}): DnsService {
  return {
    hostname,
    namespace,
    vips: [{ network: 'n1', address: '10.96.3.3' }],
    canonical: false,
    visibility: 'Public',
    ipFamilies: undefined,
    endpointAddresses: () => [],
    ...rest
  }
}

function matched(name: string, services: readonly DnsService[], options = settings): string | undefined {
  const servicesByHostname = (hostname: string): DnsService[] => services.filter(each => each.hostname === hostname)
  const match = matchService(name, 'shop', { servicesByHostname }, options)
  return match && `${match.service.namespace}/${match.service.hostname} ${match.stripped ?? '-'} ${match.wildcard}`
}

describe('aliases', () => {
  it.each([
    ['a', ['a', 'a.shop.svc.cluster.local']],
    ['a.b', ['a.b', 'a.b.svc.cluster.local', 'a.b.shop.svc.cluster.local']],
    ['a.b.svc', ['a.b.svc', 'a.b.svc.cluster.local', 'a.b.svc.svc.cluster.local']],
    ['a.b.c', ['a.b.c', 'a.b.c.svc.cluster.local']],
    ['a.b.c.svc', ['a.b.c.svc', 'a.b.c.svc.cluster.local']],
    ['a.b.c.d', ['a.b.c.d']],
    ['a.b.c.d.e', ['a.b.c.d.e']]
  ])('%s stands for %j', (name, expected) => {
    expect(aliases(name, 'shop', settings).map(alias => alias.name)).toEqual(expected)
  })

  it('takes off every search domain in order and marks what is left', () => {
    expect(aliases('ledger.bank.shop.svc.cluster.local', 'shop', settings)).toEqual([
      { name: 'ledger.bank.shop.svc.cluster.local', stripped: undefined },
      { name: 'ledger.bank', stripped: 'ledger.bank' },
      { name: 'ledger.bank.svc.cluster.local', stripped: 'ledger.bank' },
      { name: 'ledger.bank.shop.svc.cluster.local', stripped: 'ledger.bank' },
      { name: 'ledger.bank.shop', stripped: 'ledger.bank.shop' },
      { name: 'ledger.bank.shop.svc.cluster.local', stripped: 'ledger.bank.shop' },
      { name: 'ledger.bank.shop.svc', stripped: 'ledger.bank.shop.svc' },
      { name: 'ledger.bank.shop.svc.cluster.local', stripped: 'ledger.bank.shop.svc' }
    ])
  })
})

it('tries wildcards from the longest, never * alone', () => {
  expect(candidates('x.y.z')).toEqual(['x.y.z', '*.y.z', '*.z'])
  expect(candidates('x')).toEqual(['x'])
})

describe('matching', () => {
  const bank = service('ledger.bank.svc.cluster.local', 'bank')

  it.each([
    ['ledger.bank', 'bank/ledger.bank.svc.cluster.local - false'],
    ['ledger.bank.shop.svc.cluster.local', 'bank/ledger.bank.svc.cluster.local ledger.bank false'],
    ['ledger', undefined],
    ['q.wild.example', 'shop/*.wild.example - true'],
    ['q.wild.example.svc.cluster.local', 'shop/*.wild.example q.wild.example true'],
    ['r.q.wild.example', 'shop/*.wild.example - true'],
    ['wild.example', undefined]
  ])('%s gives %s', (name, expected) => {
    expect(matched(name, [bank, service('*.wild.example', 'shop')])).toBe(expected)
  })

  it('tries all wildcards of an alias before the next alias', () => {
    const exact = service('a.b.svc.cluster.local', 'b')
    expect(matched('a.b', [exact, service('*.b', 'x')])).toBe('x/*.b - true')
  })

  it('[observability-dns-23] does not see a service of visibility Namespace in another namespace', () => {
    const hidden = service('ledger.bank.svc.cluster.local', 'bank', { visibility: 'Namespace' })
    expect(matched('ledger.bank', [hidden])).toBeUndefined()
    expect(matched('own.shop', [service('own.shop.svc.cluster.local', 'shop', { visibility: 'Namespace' })])).toContain(
      'shop/'
    )
  })

  it('[observability-dns-24] does not answer for an external service without addresses', () => {
    const headless = { vips: [], endpointAddresses: () => ['10.0.0.1'] }
    expect(matched('api.partner.example', [service('api.partner.example', 'shop', headless)])).toBeUndefined()
    expect(matched('db.bank', [service('db.bank.svc.cluster.local', 'bank', headless)])).toContain('bank/db')
  })

  it.each([
    [['a', 'shop', 'c:canonical'], 'shop'],
    [['a', 'b:canonical', 'c:canonical', 'pref'], 'c'],
    [['a', 'pref', 'b'], 'pref'],
    [['a', 'b'], 'a']
  ])('chooses among %j the one of %s', (namespaces, chosen) => {
    const services = namespaces.map(text => {
      const [namespace = '', canonical] = text.split(':')
      return service('api.example', namespace, { canonical: canonical !== undefined })
    })
    expect(matched('api.example', services, { ...settings, preferredNamespace: 'pref' } as never)).toMatch(`${chosen}/`)
  })
})
