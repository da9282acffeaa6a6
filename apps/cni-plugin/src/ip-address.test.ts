import { expect, it } from 'vitest'
import { formatCidr, formatIp, maskOf, parseCidr, parseIp } from './ip-address.ts'

it.each([
  ['10.42.3.17', '10.42.3.17'],
  ['fd42:3::11', 'fd42:3::11'],
  ['FD42:0003:0:0:0:0:0:11', 'fd42:3::11'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['64:ff9b::10.1.2.3', '64:ff9b::a01:203']
])('%s is printed as %s', (text, expected) => {
  expect(formatIp(parseIp(text)!)).toBe(expected)
})

it.each(['', 'x', '10.1.2', '010.1.2.3', '1:2:3', 'fe80::1%eth0'])('%s is no address', text => {
  expect(parseIp(text)).toBeUndefined()
})

it.each([
  ['10.42.3.17/24', '10.42.3.17/24', '////AA=='],
  ['10.42.3.17/0', '10.42.3.17/0', 'AAAAAA=='],
  ['10.42.3.17/25', '10.42.3.17/25', '////gA=='],
  ['fd42:3::11/64', 'fd42:3::11/64', '//////////8AAAAAAAAAAA=='],
  ['::ffff:1.2.3.4/120', '1.2.3.4/24', '////AA==']
])('%s is %s with mask %s', (text, expected, mask) => {
  const cidr = parseCidr(text)!
  expect(formatCidr(cidr)).toBe(expected)
  expect(Buffer.from(maskOf(cidr)).toString('base64')).toBe(mask)
})

it.each(['10.1.2.3', '10.1.2.3/', '10.1.2.3/33', 'fd00::1/129', '10.1.2.3/-1', '/24'])('%s is no network', text => {
  expect(parseCidr(text)).toBeUndefined()
})
