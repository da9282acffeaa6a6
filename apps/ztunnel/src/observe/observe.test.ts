import { createLog, createMetrics, type Metrics, parseLogFilter } from '@culvert/telemetry'
import type { FailureCode } from '@culvert/tunnel'
import { describe, expect, it } from 'vitest'
import { type AccessEntry, createAccessLog } from './access-log.ts'
import { type ConnectionRecords, createConnectionRecords } from './connection-records.ts'
import { connectionError, policyRejection } from './failure-text.ts'
import { trafficLabels } from './traffic-labels.ts'
import { declareTrafficMetrics } from './traffic-metrics.ts'

const cart = {
  workload: 'cart',
  canonicalService: 'cart',
  canonicalRevision: 'v3',
  namespace: 'shop',
  principal: 'spiffe://cluster.local/ns/shop/sa/cart',
  app: 'cart',
  version: 'v3',
  cluster: 'Kubernetes'
}
const price = {
  ...cart,
  workload: 'price',
  canonicalService: 'price',
  app: 'price',
  principal: 'spiffe://cluster.local/ns/shop/sa/price'
}

const outbound: AccessEntry = {
  direction: 'outbound',
  source: { ip: '10.20.1.5', port: 41234 },
  destination: { ip: '10.20.2.9', port: 15008 },
  hboneAddress: '10.20.2.9:8080',
  traffic: {
    reporter: 'source',
    source: cart,
    destination: price,
    service: { hostname: 'price.shop.svc.cluster.local', name: 'price', namespace: 'shop' },
    mutualTls: true,
    sourceName: 'cart-7d9f-q2x',
    destinationName: 'price-66b-zz8'
  }
}
const inbound: AccessEntry = {
  ...outbound,
  direction: 'inbound',
  source: { ip: '10.20.1.5', port: 55100 },
  traffic: { ...outbound.traffic, reporter: 'destination' }
}
const plaintext: AccessEntry = {
  ...inbound,
  hboneAddress: undefined,
  destination: { ip: '10.20.2.9', port: 8080 },
  traffic: { ...inbound.traffic, source: {}, sourceName: undefined, mutualTls: false }
}

function observing(options: { filter?: string; json?: boolean } = {}): {
  lines: string[]
  records: ConnectionRecords
  metrics: Metrics
} {
  const lines: string[] = []
  const filter = parseLogFilter(options.filter ?? 'info')
  const clock = (): number => 1_772_600_767_123_456
  const log = createLog({
    style: 'ztunnel',
    json: options.json ?? false,
    filter,
    clock,
    write: line => lines.push(line)
  })
  const metrics = createMetrics()
  const records = createConnectionRecords({
    accessLog: createAccessLog(log.scope('access')),
    metrics: declareTrafficMetrics(metrics)
  })
  return { lines, records, metrics }
}

describe('the access log', () => {
  it('[observability-dns-1] writes one line for a finished HBONE connection, fields in order', () => {
    const { lines, records } = observing()
    records.open(1, outbound)
    records.close({ id: 1, fromClient: 78, toClient: 512, duration: 12.9 })
    expect(lines).toEqual([
      '2026-03-04T05:06:07.123456Z\tinfo\taccess\tconnection complete\tsrc.addr=10.20.1.5:41234 src.workload="cart-7d9f-q2x" ' +
        'src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/cart" src.cluster="Kubernetes" ' +
        'dst.addr=10.20.2.9:15008 dst.hbone_addr=10.20.2.9:8080 dst.service="price.shop.svc.cluster.local" ' +
        'dst.workload="price-66b-zz8" dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/price" ' +
        'dst.cluster="Kubernetes" direction="outbound" bytes_sent=78 bytes_recv=512 duration="12ms"\n'
    ])
  })

  it('[observability-dns-2] writes the same as JSON, bytes as the local application sees them', () => {
    const { lines, records } = observing({ json: true })
    records.open(1, inbound)
    records.close({ id: 1, fromClient: 78, toClient: 512, duration: 11 })
    const parsed = JSON.parse(lines[0] ?? '') as Record<string, unknown>
    expect(Object.keys(parsed).slice(0, 4)).toEqual(['level', 'time', 'scope', 'message'])
    expect(parsed).toMatchObject({
      level: 'info',
      direction: 'inbound',
      bytes_sent: 512,
      bytes_recv: 78,
      duration: '11ms'
    })
    expect(parsed).not.toHaveProperty('error')
  })

  it('keeps the message and raises the level for a failure', () => {
    const { lines, records } = observing()
    records.open(1, inbound)
    records.reject(1, policyRejection('explicitly denied by: shop/no-cart'))
    expect(lines[0]).toMatch(/\terror\taccess\tconnection complete\t/)
    expect(lines[0]).toMatch(
      / bytes_sent=0 bytes_recv=0 duration="\d+ms" error="connection closed due to policy rejection: explicitly denied by: shop\/no-cart"\n$/
    )
  })

  it('[observability-dns-5] shows no identity of a plaintext connection, though the labels know the destination', () => {
    const { lines, records, metrics } = observing()
    records.open(1, plaintext)
    records.close({ id: 1, fromClient: 1, toClient: 1, duration: 1 })
    expect(lines[0]).not.toMatch(/identity|hbone_addr|src\.workload|src\.namespace|src\.cluster/)
    expect(metrics.render('openmetrics')).toMatch(
      /source_principal="unknown".*destination_principal="spiffe:\/\/cluster.local\/ns\/shop\/sa\/price".*connection_security_policy="unknown"/
    )
  })

  it('[observability-dns-7] writes the opening at debug only', () => {
    const quiet = observing()
    quiet.records.open(1, outbound)
    expect(quiet.lines).toEqual([])
    const chatty = observing({ filter: 'access=debug' })
    chatty.records.open(1, outbound)
    expect(chatty.lines[0]).toMatch(/\tdebug\taccess\tconnection opened\tsrc.addr=.* direction="outbound"\n$/)
  })
})

describe('the counters', () => {
  const sample = (metrics: Metrics, name: string): string[] =>
    metrics
      .render('openmetrics')
      .split('\n')
      .filter(line => line.startsWith(name))

  it('[observability-dns-6] counts client to server as received for both reporters', () => {
    const { metrics, records } = observing()
    for (const [id, entry] of [outbound, inbound].entries()) {
      records.open(id, entry)
      records.progress([{ id, fromClient: 11, toClient: 22 }])
    }
    expect(sample(metrics, 'istio_tcp_received_bytes_total').map(line => line.split(' ').at(-1))).toEqual(['11', '11'])
    expect(sample(metrics, 'istio_tcp_sent_bytes_total').map(line => line.split(' ').at(-1))).toEqual(['22', '22'])
  })

  it('shows the byte series at 0 as soon as a connection is open', () => {
    const { metrics, records } = observing()
    records.open(1, outbound)
    expect(sample(metrics, 'istio_tcp_received_bytes_total')[0]).toMatch(/response_flags="-".* 0$/)
  })

  it('[observability-dns-4] closes with the final flag', () => {
    const { metrics, records } = observing()
    records.open(1, inbound)
    records.reject(1, policyRejection('x'))
    expect(sample(metrics, 'istio_tcp_connections_opened_total')[0]).toContain('response_flags="-"')
    expect(sample(metrics, 'istio_tcp_connections_closed_total')[0]).toContain('response_flags="DENY"')
    expect(sample(metrics, 'istio_tcp_connections_failed_total')[0]).toContain('response_flags="DENY"')
  })

  it('does not count a drained connection as failed', () => {
    const { metrics, records } = observing()
    records.open(1, inbound)
    records.close({ id: 1, fromClient: 0, toClient: 0, duration: 1, failure: { code: 'DRAINED', detail: '' } })
    expect(sample(metrics, 'istio_tcp_connections_closed_total')[0]).toContain('response_flags="-"')
    expect(sample(metrics, 'istio_tcp_connections_failed')).toEqual([])
  })

  it('[observability-dns-12] has all labels in order, unknown where nothing is known', () => {
    const names = (text: string): string[] => [...text.matchAll(/(\w+)="/g)].map(([, name]) => name ?? '')
    const fixed = [
      'reporter',
      ...[
        'workload',
        'canonical_service',
        'canonical_revision',
        'workload_namespace',
        'principal',
        'app',
        'version',
        'cluster'
      ].map(name => `source_${name}`),
      ...['destination_service', 'destination_service_namespace', 'destination_service_name'],
      ...[
        'workload',
        'canonical_service',
        'canonical_revision',
        'workload_namespace',
        'principal',
        'app',
        'version',
        'cluster'
      ].map(name => `destination_${name}`),
      ...['request_protocol', 'response_flags', 'connection_security_policy']
    ]
    const nothing = trafficLabels(
      {
        reporter: 'source',
        source: {},
        destination: {},
        service: undefined,
        mutualTls: false,
        sourceName: undefined,
        destinationName: undefined
      },
      '-'
    )
    expect(names(nothing.text)).toEqual(fixed)
    expect(nothing.text.match(/="unknown"/g)).toHaveLength(20)
    const places = ['source_region', 'source_zone', 'destination_region', 'destination_zone']
    expect(names(trafficLabels(outbound.traffic, '-').text)).toEqual([...fixed, ...places])
  })
})

describe('error texts and flags', () => {
  it.each<[FailureCode, string, string]>([
    ['IO', 'io error: why', 'CONNECT'],
    [
      'TUNNEL_CONNECT_TIMEOUT',
      'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: why',
      'NETWORK_POLICY'
    ],
    ['HTTP2_HANDSHAKE', 'http2 handshake failed: why', 'H2_HANDSHAKE_FAILURE'],
    ['HTTP2', 'h2 failed: why', 'H2_HANDSHAKE_FAILURE'],
    ['STATUS', 'http status: why', 'CONNECT'],
    ['TLS', 'tls error: why', 'TLS_FAILURE'],
    ['CONNECTION_FAILED', 'connection failed: why', 'CONNECT'],
    ['SEND', 'send: why', 'CONNECT'],
    ['RECEIVE', 'receive: why', 'CONNECT'],
    ['SHUTDOWN', 'while closing connection: why', 'CONNECT'],
    ['REVOKED', 'connection closed: peer certificate revoked by CRL', 'CERT_REVOKED'],
    ['CUT', 'connection closed due to policy change', 'DENY'],
    ['DRAINED', 'connection closed due to connection drain', '-']
  ])('%s reads %s with flag %s', (code, text, flag) => {
    expect(connectionError({ code, detail: 'why' })).toEqual({ text, flag })
  })
})
