import { expect, it } from 'vitest'
import { scene } from './pod-handler.test-helper.ts'

it.each([
  { role: 'outbound', reporter: 'source' },
  { role: 'socks5', reporter: 'source' },
  { role: 'inbound-plaintext', reporter: 'destination' },
  { role: 'inbound-hbone', reporter: 'destination' }
] as const)('counts open $role sockets for the $reporter', ({ role, reporter }) => {
  const { handler, metrics } = scene()
  handler.sockets({ role, opened: 2, closed: 0 })
  handler.sockets({ role, opened: 1, closed: 2 })
  expect(metrics.render('openmetrics')).toContain(`istio_tcp_sockets_open{reporter="${reporter}"} 1\n`)
})

it.each([
  { peer: 'server', reporter: 'source' },
  { peer: 'client', reporter: 'destination' }
] as const)('counts tunnels whose $peer is revoked for the $reporter', ({ peer, reporter }) => {
  const { handler, metrics } = scene()
  handler.peerRevoked(peer)
  expect(metrics.render('openmetrics')).toContain(`istio_crl_policy_rejections_total{reporter="${reporter}"} 1\n`)
})
