import { describe, expect, it } from 'vitest'
import { createMetrics, labelSet } from './index.ts'

describe('OpenMetrics text', () => {
  it('[observability-dns-9] shows what has samples, unlabelled families from the start, and ends in EOF', () => {
    const metrics = createMetrics()
    metrics.gauge({ name: 'istio_build', help: 'Build', labels: ['component'] }).set(1, [['component', 'ztunnel']])
    metrics.counter({ name: 'istio_tcp_connections_opened', help: 'Opened', labels: ['reporter'] })
    metrics.counter({ name: 'workload_manager_proxies_started', help: 'unstable' })
    expect(metrics.render('openmetrics')).toBe(
      [
        '# HELP istio_build Build',
        '# TYPE istio_build gauge',
        'istio_build{component="ztunnel"} 1',
        '# HELP workload_manager_proxies_started unstable',
        '# TYPE workload_manager_proxies_started counter',
        'workload_manager_proxies_started_total 0',
        '# EOF',
        ''
      ].join('\n')
    )
  })

  it('adds _total to samples only, names the unit, escapes label values', () => {
    const metrics = createMetrics()
    const bytes = metrics.counter({ name: 'x_bytes', help: 'X', unit: 'bytes', labels: ['url'] })
    bytes.add(3, [['url', 'a"\\\nb']])
    const cell = bytes.with(labelSet([['url', 'z']]))
    cell.add(1)
    cell.add(4)
    expect(metrics.render('openmetrics').split('\n')).toEqual([
      '# HELP x_bytes X',
      '# TYPE x_bytes counter',
      '# UNIT x_bytes bytes',
      'x_bytes_total{url="a\\"\\\\\\nb"} 3',
      'x_bytes_total{url="z"} 5',
      '# EOF',
      ''
    ])
  })

  it('writes sum and count before the buckets, le first', () => {
    const metrics = createMetrics()
    const seconds = metrics.histogram({ name: 's', help: 'S', labels: ['p'], buckets: [0.0005, 1, 5] })
    seconds.observe(0.25, [['p', 'udp']])
    seconds.observe(7, [['p', 'udp']])
    expect(metrics.render('openmetrics').split('\n').slice(2, -2)).toEqual([
      's_sum{p="udp"} 7.25',
      's_count{p="udp"} 2',
      's_bucket{le="0.0005",p="udp"} 0',
      's_bucket{le="1.0",p="udp"} 1',
      's_bucket{le="5.0",p="udp"} 1',
      's_bucket{le="+Inf",p="udp"} 2'
    ])
  })

  it('asks collected gauges at every exposition', () => {
    const metrics = createMetrics()
    let open = 3
    metrics.gauge({ name: 'process_open_fds', help: 'Open', collect: () => open })
    expect(metrics.render('openmetrics')).toContain('process_open_fds 3\n')
    open = 4
    expect(metrics.render('openmetrics')).toContain('process_open_fds 4\n')
  })
})

describe('Prometheus text of the Go components', () => {
  it('keeps counter names, appears once recorded, has no EOF', () => {
    const metrics = createMetrics()
    const pushes = metrics.counter({ name: 'pilot_xds_pushes', help: 'Pushes', labels: ['type'] })
    metrics.gauge({ name: 'pilot_services', help: 'Services' })
    expect(metrics.render('prometheus')).toBe('')
    pushes.add(1, [['type', 'wds']])
    expect(metrics.render('prometheus')).toBe(
      '# HELP pilot_xds_pushes Pushes\n# TYPE pilot_xds_pushes counter\npilot_xds_pushes{type="wds"} 1\n'
    )
  })
})

it('refuses a second family of the same name', () => {
  const metrics = createMetrics()
  metrics.counter({ name: 'a', help: 'A' })
  expect(() => metrics.gauge({ name: 'a', help: 'A' })).toThrow('metric family a is declared twice')
})
