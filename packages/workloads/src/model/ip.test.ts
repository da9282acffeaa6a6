import { SocketAddress } from 'node:net'
import { describe, expect, it } from 'vitest'
import { canonicalIp, ipBytes, ipFromBytes } from './ip.ts'

describe('canonical addresses', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['010.1.2.3', undefined],
    ['10.1.2', undefined],
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FD00:0:0::5', 'fd00::5'],
    ['fd00:0:1:0:0:1:0:0', 'fd00:0:1::1:0:0'],
    ['fd00:1:2:3:4:5:0:7', 'fd00:1:2:3:4:5:0:7'],
    ['fd00:1:2:3:4:5:6:0', 'fd00:1:2:3:4:5:6:0'],
    ['1::', '1::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:a00:1', '::ffff:10.0.0.1'],
    ['fe80::1%eth0', undefined],
    ['cart', undefined],
    ['', undefined]
  ])('%s reads as %s', (text, ip) => {
    expect(canonicalIp(text)).toBe(ip)
    if (ip !== undefined) expect(ipFromBytes(ipBytes(ip))).toBe(ip)
  })

  it('writes addresses as Node does for sockets', () => {
    for (let i = 0; i < 500; i++) {
      const bytes = Uint8Array.from({ length: 16 }, () => (Math.random() < 0.6 ? 0 : Math.floor(Math.random() * 256)))
      bytes[0] = 0xfd
      const ip = ipFromBytes(bytes)!
      expect(new SocketAddress({ address: ip, family: 'ipv6' }).address).toBe(ip)
      expect(Buffer.from(ipBytes(ip))).toEqual(Buffer.from(bytes))
    }
  })

  it('refuses other lengths', () => {
    expect(ipFromBytes(new Uint8Array(5))).toBeUndefined()
    expect(ipFromBytes(new Uint8Array())).toBeUndefined()
  })
})
