import { expect, it } from 'vitest'
import { familyOf, formatAddress, unmapAddress } from './address.ts'

it.each([
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::FFFF:10.1.2.3', '10.1.2.3'],
  ['::ffff:a01:203', '10.1.2.3'],
  ['0:0:0:0:0:ffff:a01:203', '10.1.2.3'],
  ['10.1.2.3', '10.1.2.3'],
  ['fd00::1', 'fd00::1'],
  ['::ffff:0:a01:203', '::ffff:0:a01:203'],
  ['64:ff9b::a01:203', '64:ff9b::a01:203'],
  ['::1', '::1']
])('unmaps %s to %s', (ip, expected) => {
  expect(unmapAddress(ip)).toBe(expected)
})

it.each([
  [{ ip: 'localhost', port: 1 }, "'localhost' is not an IP address"],
  [{ ip: '1.2.3', port: 1 }, "'1.2.3' is not an IP address"],
  [{ ip: '::1', port: 65536 }, 'port 65536 of ::1 is not within 0–65535'],
  [{ ip: '::1', port: 1.5 }, 'port 1.5 of ::1']
])('refuses %o', (address, message) => {
  expect(() => familyOf(address)).toThrow(message)
})

it('brackets IPv6 addresses only', () => {
  expect(formatAddress({ ip: '::1', port: 80 })).toBe('[::1]:80')
  expect(formatAddress({ ip: '1.2.3.4', port: 80 })).toBe('1.2.3.4:80')
})
