import { describe, expect, it } from 'vitest'
import { emptyResult, parseResult } from './cni-result.ts'
import { printResult } from './print-result.ts'

const print = (previous: object, version: string): unknown => {
  const text = printResult(parseResult(previous as never, version), version)
  expect(text).toBe(JSON.stringify(JSON.parse(text), undefined, 4))
  return JSON.parse(text)
}

describe('versions 1.x', () => {
  it('sorts keys at every level, drops what is not in the schema, keeps zero indexes', () => {
    const text = printResult(
      parseResult(
        {
          routes: [{ gw: '10.1.0.1', dst: '0.0.0.0/0', table: 0, priority: 0, mtu: 9000, surprise: 1 }],
          ips: [{ interface: 0, gateway: '10.1.0.1', address: '10.1.0.5/24', surprise: 1 }],
          interfaces: [
            { sandbox: '/n', name: 'eth0', mac: '0a:00:00:00:00:01', mtu: 1400, socketPath: '', pciID: 'p' }
          ],
          dns: { search: ['b', 'a'], nameservers: ['10.96.0.10'], domain: 'd', options: [] },
          cniVersion: '1.1.0',
          surprise: 1
        },
        '1.0.0'
      ),
      '1.0.0'
    )
    expect(JSON.stringify(JSON.parse(text))).toBe(
      '{"cniVersion":"1.0.0","dns":{"domain":"d","nameservers":["10.96.0.10"],"search":["b","a"]},' +
        '"interfaces":[{"mac":"0a:00:00:00:00:01","mtu":1400,"name":"eth0","pciID":"p","sandbox":"/n"}],' +
        '"ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1","interface":0}],' +
        '"routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1","mtu":9000,"table":0}]}'
    )
  })

  it('escapes as Go does', () => {
    const text = printResult(parseResult({ cniVersion: '1.0.0', interfaces: [{ name: '<&>' }] }, '1.0.0'), '1.0.0')
    expect(text).toContain('"name": "\\u003c\\u0026\\u003e"')
  })
})

it('0.3 to 0.4: schema order, address versions, always dns', () => {
  const text = JSON.stringify(
    print(
      {
        cniVersion: '0.3.1',
        dns: {},
        ips: [
          { version: '6', address: 'fd00:0:0::5/64' },
          { address: '10.1.0.5/24', gateway: '10.1.0.1', interface: 1 }
        ],
        interfaces: [{ name: 'eth0', sandbox: '/n', mac: 'm', mtu: 1400 }],
        routes: [{ gw: '10.1.0.1', dst: '0.0.0.0/0' }]
      },
      '0.4.0'
    )
  )
  expect(text).toBe(
    '{"cniVersion":"0.4.0","interfaces":[{"name":"eth0","mac":"m","sandbox":"/n"}],' +
      '"ips":[{"version":"6","address":"fd00::5/64"},' +
      '{"version":"4","interface":1,"address":"10.1.0.5/24","gateway":"10.1.0.1"}],' +
      '"routes":[{"dst":"0.0.0.0/0","gw":"10.1.0.1"}],"dns":{}}'
  )
})

it('0.1 and 0.2: one address of each family with its routes', () => {
  const previous = {
    ip4: { ip: '10.1.0.5/24', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0' }] },
    ip6: { ip: 'fd00::5/64', routes: [{ dst: '::/0', gw: 'fd00::1' }] }
  }
  expect(print(previous, '0.2.0')).toEqual({ cniVersion: '0.2.0', ...previous, dns: {} })
})

it.each([
  { version: '1.0.0', expected: '{"cniVersion":"1.0.0"}' },
  { version: '1.1.0', expected: '{"cniVersion":"1.1.0"}' },
  { version: '0.3.1', expected: '{"cniVersion":"0.3.1","dns":{}}' }
])('without a previous result, $version prints $expected', ({ version, expected }) => {
  expect(JSON.stringify(JSON.parse(printResult(emptyResult, version)))).toBe(expected)
})

it('0.2 cannot do without an address', () => {
  expect(() => printResult(emptyResult, '0.2.0')).toThrow('no valid IP addresses')
})

it.each([
  { config: '1.0.0', version: '0.4.0' },
  { config: '1.0.0', version: '' },
  { config: '0.3.0', version: '1.0.0' },
  { config: '0.2.0', version: '0.3.0' },
  { config: '1.0.0', version: '9.9.9' }
])('refuses a previous result "$version" under configuration $config', ({ config, version }) => {
  expect(() => parseResult({ cniVersion: version }, config)).toThrow('does not go with')
})

it.each([
  { ips: [{ address: '10.1.0.5' }] },
  { ips: [{ address: '10.1.0.5/33' }] },
  { ips: [{ address: 7 }] },
  { ips: {} },
  { ips: [null] },
  { ips: [{ address: '10.1.0.5/24', gateway: 'x' }] },
  { ips: [{ address: '10.1.0.5/24', interface: 1.5 }] },
  { routes: [{ gw: '10.1.0.1' }] },
  { dns: { search: [1] } }
])('refuses %o', result => {
  expect(() => parseResult({ cniVersion: '1.0.0', ...result }, '1.0.0')).toThrow(/want/)
})
