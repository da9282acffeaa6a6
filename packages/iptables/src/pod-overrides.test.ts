import { describe, expect, it } from 'vitest'
import { parseBoolean, parsePodOverrides } from './pod-overrides.ts'

describe('parsePodOverrides', () => {
  it.each([
    { annotations: undefined, expected: { bypassInbound: false, virtualInterfaces: [] } },
    { annotations: {}, expected: { bypassInbound: false, virtualInterfaces: [] } },
    {
      annotations: { 'ambient.istio.io/dns-capture': 'T', 'istio.io/reroute-virtual-interfaces': ' tapvm0 ,' },
      expected: { dnsCapture: true, bypassInbound: false, virtualInterfaces: ['tapvm0'] }
    },
    {
      annotations: { 'ambient.istio.io/dns-capture': 'False', 'ambient.istio.io/bypass-inbound-capture': '1' },
      expected: { dnsCapture: false, bypassInbound: true, virtualInterfaces: [] }
    },
    {
      annotations: { 'istio.io/reroute-virtual-interfaces': 'b,a, b ,,' },
      expected: { bypassInbound: false, virtualInterfaces: ['b', 'a', 'b'] }
    }
  ])('reads $annotations', ({ annotations, expected }) => {
    expect(parsePodOverrides(annotations)).toEqual(expected)
  })

  it('treats a value that is no boolean as absent and says so', () => {
    const messages: string[] = []
    const overrides = parsePodOverrides(
      { 'ambient.istio.io/dns-capture': 'yes', 'ambient.istio.io/bypass-inbound-capture': '' },
      message => messages.push(message)
    )
    expect(overrides).toEqual({ bypassInbound: false, virtualInterfaces: [] })
    expect(messages).toEqual([
      'annotation ambient.istio.io/dns-capture="yes" is ignored: expected true or false',
      'annotation ambient.istio.io/bypass-inbound-capture="" is ignored: expected true or false'
    ])
  })

  it.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('%s is true', text => expect(parseBoolean(text)).toBe(true))
  it.each(['0', 'f', 'F', 'FALSE', 'false', 'False'])('%s is false', text => expect(parseBoolean(text)).toBe(false))
  it.each(['', 'yes', 'tRUE', ' true', 'on', '2'])('%j is neither', text => expect(parseBoolean(text)).toBeUndefined())
})
