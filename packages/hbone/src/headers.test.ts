import { describe, expect, it } from 'vitest'
import { connectRequestHeaders } from './connect-request.ts'
import {
  type Baggage,
  createTraceparent,
  encodeProxyHeader,
  formatBaggage,
  formatForwarded,
  parseBaggage,
  parseForwardedHost
} from './index.ts'

describe('baggage', () => {
  const full: Baggage = {
    clusterName: 'Kubernetes',
    namespace: 'shop',
    workloadType: 'deployment',
    workloadName: 'cart',
    serviceName: 'cart',
    serviceVersion: 'v3',
    region: 'eu-1',
    zone: 'eu-1a'
  }

  it('has its members in a fixed order', () => {
    expect(formatBaggage(full)).toBe(
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=cart,' +
        'service.name=cart,service.version=v3,cloud.region=eu-1,cloud.availability_zone=eu-1a'
    )
    expect(parseBaggage([formatBaggage(full)])).toEqual(full)
  })

  it('leaves empty members out', () => {
    expect(formatBaggage({ clusterName: 'Kubernetes', workloadName: '', workloadType: 'job' })).toBe(
      'k8s.cluster.name=Kubernetes'
    )
    expect(formatBaggage({ workloadName: 'backup', workloadType: 'cronjob' })).toBe('k8s.cronjob.name=backup')
  })

  it.each([
    { lines: ['service.name=a', 'service.name=b'], found: { serviceName: 'b' }, why: 'a later line wins' },
    { lines: ['service.name=a=b=c'], found: { serviceName: 'a' }, why: 'a second = ends the value' },
    { lines: [' service.name=a,service.version= v1'], found: { serviceVersion: ' v1' }, why: 'nothing is trimmed' },
    { lines: ['service.name=a,service.name='], found: {}, why: 'an empty value clears' },
    { lines: ['service.name', 'x=y,,='], found: {}, why: 'unknown and odd members are ignored' },
    { lines: ['service.name=a', 'x=caf\u00e9'], found: {}, why: 'a line that is not visible ASCII voids everything' },
    { lines: ['k8s.pod.name=p'], found: { workloadType: 'pod', workloadName: 'p' }, why: 'the type is in the key' }
  ])('is read so that $why', ({ lines, found }) => {
    const read = parseBaggage(lines)
    expect(Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))).toMatchObject(found)
    expect(read).toEqual(expect.objectContaining(found))
  })
})

describe('forwarded', () => {
  it('[hbone-7] names the application and, for a service only, the host', () => {
    const application = { ip: '10.61.0.7', port: 51_000 }
    expect(formatForwarded(application, 'stock.shop.svc.mesh.acme')).toBe(
      'for="10.61.0.7:51000";host=stock.shop.svc.mesh.acme'
    )
    expect(formatForwarded(application)).toBe('for="10.61.0.7:51000"')
    expect(formatForwarded({ ip: 'fd00::5', port: 4000 })).toBe('for="[fd00::5]:4000"')
  })

  it.each([
    { lines: ['for="10.0.0.1:1";host=a.b'], host: 'a.b' },
    { lines: ['for=x; host="a.b" ;host=c'], host: 'a.b' },
    { lines: ['for=x', 'host=a.b'], host: undefined },
    { lines: ['Host=a.b'], host: undefined },
    { lines: ['host='], host: undefined },
    { lines: ['host=""'], host: undefined },
    { lines: ['host=caf\u00e9'], host: undefined },
    { lines: [], host: undefined }
  ])('$lines names host $host', ({ lines, host }) => {
    expect(parseForwardedHost(lines)).toBe(host)
  })
})

describe('traceparent', () => {
  it('is random and well formed', () => {
    const one = createTraceparent()
    expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(createTraceparent()).not.toBe(one)
  })
})

describe('the CONNECT request', () => {
  it('has method, authority and the given lines, nothing else', () => {
    expect(
      Object.entries(
        connectRequestHeaders({
          authority: '10.0.0.1:80',
          headers: [
            ['baggage', 'a=b'],
            ['Baggage', 'c=d'],
            ['traceparent', 't']
          ]
        })
      )
    ).toEqual([
      [':method', 'CONNECT'],
      [':authority', '10.0.0.1:80'],
      ['baggage', ['a=b', 'c=d']],
      ['traceparent', 't']
    ])
  })
})

describe('the PROXY header', () => {
  const peerIdentity = 'spiffe://mesh.acme/ns/shop/sa/cart'

  it('is the one of the worked example', () => {
    const header = encodeProxyHeader({
      source: { ip: '10.61.0.7', port: 43_210 },
      destination: { ip: '10.200.5.9', port: 8443 },
      peerIdentity
    })
    const head = '0d0a0d0a000d0a515549540a 21110031 0a3d0007 0ac80509 a8ca 20fb d00022'.replaceAll(' ', '')
    expect(header.toString('hex')).toBe(head + Buffer.from(peerIdentity).toString('hex'))
    expect(header).toHaveLength(65)
  })

  it('has IPv6 addresses when both ends are, and none when they differ', () => {
    const source = { ip: 'fd00::5', port: 1 }
    const six = encodeProxyHeader({ source, destination: { ip: 'fd00::6', port: 2 }, peerIdentity: undefined })
    expect(six.subarray(12, 16).toString('hex')).toBe('21210024')
    const mixed = encodeProxyHeader({ source, destination: { ip: '10.0.0.1', port: 2 }, peerIdentity })
    expect(mixed.subarray(12, 16).toString('hex')).toBe('21010025')
    expect(mixed.subarray(16, 19).toString('hex')).toBe('d00022')
  })

  it.each([
    { ip: '10.0.0.1', most: 65_520 },
    { ip: 'fd00::1', most: 65_496 }
  ])('from $ip has room for an identity of $most octets, and says so of a longer one', ({ ip, most }) => {
    const ends = { source: { ip, port: 1 }, destination: { ip, port: 2 } }
    const header = encodeProxyHeader({ ...ends, peerIdentity: 'x'.repeat(most) })
    expect(header.readUInt16BE(14)).toBe(0xffff)
    expect(header.readUInt16BE(header.length - most - 2)).toBe(most)
    expect(() => encodeProxyHeader({ ...ends, peerIdentity: 'x'.repeat(most + 1) })).toThrow(
      `an identity of ${most + 1} octets does not fit into a PROXY header`
    )
  })

  it('names the address that is none', () => {
    const source = { ip: 'nowhere', port: 1 }
    expect(() => encodeProxyHeader({ source, destination: source, peerIdentity })).toThrow(
      "'nowhere' is not an IP address"
    )
  })
})
