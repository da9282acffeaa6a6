import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { captured, cart, header, scene, tunnelOf } from './pod-handler.test-helper.ts'

describe('outbound', () => {
  it('[hbone-7] tells the server who asks and for which service', async () => {
    const { handler } = scene()
    const { to, outer, inner } = await tunnelOf(handler.connection(captured('10.200.5.9', 80)))
    expect(to).toEqual({ ip: '10.61.4.20', port: 15008 })
    expect(inner).toBeUndefined()
    expect(outer.headers.map(([name]) => name)).toEqual(['baggage', 'forwarded', 'traceparent'])
    expect(outer.headers.slice(0, 2)).toEqual([
      [
        'baggage',
        'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart,service.version=v3,cloud.region=eu-1,cloud.availability_zone=a'
      ],
      ['forwarded', 'for="10.61.0.7:51000";host=stock.shop.svc']
    ])
    expect(header(outer.headers, 'traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(outer).toMatchObject({
      authority: '10.61.4.20:8080',
      expectedIdentities: ['spiffe://cluster.local/ns/shop/sa/stock'],
      identity: 'spiffe://cluster.local/ns/shop/sa/cart',
      applicationIp: '10.61.0.7',
      credential: { trustDomain: 'cluster.local' }
    })
  })

  it('[hbone-7] names no host where no service was called', async () => {
    const { handler } = scene()
    const { outer } = await tunnelOf(handler.connection(captured('10.61.4.20', 8080)))
    expect(header(outer.headers, 'forwarded')).toBe('for="10.61.0.7:51000"')
  })

  describe('through another network', () => {
    const gateway = workloadUpdate({
      uid: 'g',
      name: 'east-west-0',
      namespace: 'istio-gateways',
      serviceAccount: 'ew',
      workloadIps: ['10.61.9.9'],
      network: 'n1'
    })
    const remote = workloadUpdate({
      uid: 'r',
      name: 'stock-far',
      serviceAccount: 'stock',
      network: 'n2',
      networkGateway: { destination: { network: 'n1', ip: '10.61.9.9' }, hboneMtlsPort: 15008 },
      services: new Map([['shop/stock.shop.svc', ports({ 80: 8080 })]])
    })
    const service = serviceUpdate({
      hostname: 'stock.shop.svc',
      vips: [{ network: 'n1', ip: '10.200.5.9' }],
      subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/stock']
    })
    const updates = [cart, gateway, remote, service]

    it('[hbone-8] puts a second tunnel into the first, which alone names our network', async () => {
      const { handler, lines } = scene({ updates })
      const { to, outer, inner } = await tunnelOf(handler.connection(captured('10.200.5.9', 80)))
      expect(to).toEqual({ ip: '10.61.9.9', port: 15008 })
      expect([outer.authority, inner?.authority]).toEqual(['stock.shop.svc:80', 'stock.shop.svc:80'])
      expect(header(outer.headers, 'x-forwarded-network')).toBeUndefined()
      expect(header(inner?.headers ?? [], 'x-forwarded-network')).toBe('n1')
      expect(header(inner?.headers ?? [], 'traceparent')).toBe(header(outer.headers, 'traceparent'))
      expect(outer.expectedIdentities).toEqual(['spiffe://cluster.local/ns/istio-gateways/sa/ew'])
      expect(inner?.expectedIdentities).toEqual(['spiffe://cluster.local/ns/shop/sa/stock'])
      expect(lines).toEqual([])
    })

    it('takes the labels of the destination from the far side', async () => {
      const { handler, lines, metrics } = scene({ updates })
      await handler.connection(captured('10.200.5.9', 80))
      handler.opened({
        id: 1,
        peerIdentity: 'spiffe://cluster.local/ns/shop/sa/stock',
        baggage: ['k8s.namespace.name=shop,k8s.deployment.name=stock-v2,service.name=stock']
      })
      expect(lines[0]).toMatch(/\tdebug\taccess\tconnection opened\t/)
      handler.closed({ id: 1, fromClient: 1, toClient: 2, duration: 3 })
      expect(lines[1]).toMatch(
        /dst\.addr=10\.61\.9\.9:15008 dst\.hbone_addr=stock\.shop\.svc:80 dst\.service="stock\.shop\.svc" dst\.workload="stock-v2" dst\.namespace="shop" dst\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/stock"/
      )
      expect(metrics.render('openmetrics')).toContain('destination_app="stock-v2"')
    })

    it('names the gateway, as the next hop, when baggage is off', async () => {
      const { handler, lines } = scene({ updates, responseBaggage: false })
      await handler.connection(captured('10.200.5.9', 80))
      handler.opened({ id: 1, baggage: ['k8s.deployment.name=liar'] })
      expect(lines[0]).toMatch(
        /dst.workload="east-west-0" .*dst.identity="spiffe:\/\/cluster.local\/ns\/istio-gateways\/sa\/ew"/
      )
    })

    it('names the gateway when the tunnels never stood', async () => {
      const { handler, lines } = scene({ updates })
      await handler.connection(captured('10.200.5.9', 80))
      const failure = { code: 'IO', detail: 'Connection refused (os error 111)' } as const
      handler.closed({ id: 1, fromClient: 0, toClient: 0, duration: 3, failure })
      expect(lines.map(line => line.split('\t')[3])).toEqual(['connection opened', 'connection complete'])
      expect(lines[1]).toMatch(/dst\.workload="east-west-0".*error="io error: Connection refused \(os error 111\)"$/)
    })
  })

  it('refuses without a certificate and says so', async () => {
    const { handler, lines, metrics, live } = scene({ certificate: () => Promise.reject(new Error('CA is away')) })
    expect(await handler.connection(captured('10.61.4.20', 8080))).toEqual({ kind: 'refuse' })
    expect(lines.at(-1)).toMatch(/\terror\taccess\tconnection complete\t.*error="identity error: CA is away"$/)
    expect(metrics.render('openmetrics')).toMatch(
      /istio_tcp_connections_failed_total\{.*response_flags="IDENTITY_ERROR".* 1\n/
    )
    expect([...live.dump().outbound]).toEqual([])
    handler.closed({ id: 1, fromClient: 0, toClient: 0, duration: 0 })
    expect(lines).toHaveLength(2)
  })

  it('refuses a loop before anything is looked up', async () => {
    const { handler, lines } = scene({ updates: [] })
    expect(await handler.connection(captured('127.0.0.1', 15001))).toEqual({ kind: 'refuse' })
    expect(lines[0]).toMatch(
      /\twarn\taccess\tconnection failed\tsrc\.addr=10\.61\.0\.7:51000 dst\.addr=127\.0\.0\.1:15001 direction="outbound" error="attempted recursive call to ourselves"$/
    )
  })
})
