import assert from 'node:assert/strict'
import type { FuzzTarget } from '@culvert/testing'
import { canonicalIp } from '@culvert/workloads'
import { parseAuthority } from './authority.ts'

/** The target of a CONNECT, as a peer names it. */
const authority: FuzzTarget = {
  name: 'connect-authority',
  seeds: ['10.0.0.1:80', '[fd00::1]:8080', 'cart.shop.svc.cluster.local:80', '[::ffff:10.0.0.1]:1', 'a:65536'].map(
    text => Buffer.from(text)
  ),
  words: [':', '[', ']', '::', '::ffff:', '%eth0', '0x', '.', '@', '65535', '\n'].map(word => Buffer.from(word)),
  maxBytes: 65_536,
  run(input) {
    const text = input.toString('latin1')
    const found = parseAuthority(text)
    if (found === undefined) return false
    assert.ok(found.port >= 0 && found.port <= 65_535, `port ${found.port}`)
    const host = found.kind === 'hostname' ? found.hostname : found.ip.includes(':') ? `[${found.ip}]` : found.ip
    assert.match(host, /^[^\s/?#@]+$/)
    if (found.kind === 'address') assert.equal(canonicalIp(found.ip), found.ip)
    assert.deepEqual(parseAuthority(`${host}:${found.port}`), found)
    return true
  }
}

export const targets: readonly FuzzTarget[] = [authority]
