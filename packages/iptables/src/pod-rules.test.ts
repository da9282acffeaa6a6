import { describe, expect, it } from 'vitest'
import { defaultProbeAddresses } from './constants.ts'
import { podRulePlan, restoreText } from './iptables-rules.ts'
import { podDeletion, podTransaction } from './nftables-text.ts'
import { parsePodOverrides } from './pod-overrides.ts'
import { type CaptureSettings, podRules } from './pod-rules.ts'

const defaults: CaptureSettings = { dnsCapture: true, ipv6: false, probe: defaultProbeAddresses }
const exampleProbe = { ipv4: '169.254.40.2', ipv6: 'fd0a:77::40:2' }

const ipv4Text = (settings: CaptureSettings, annotations?: Record<string, string>): string =>
  restoreText(podRulePlan(podRules(settings, parsePodOverrides(annotations)), settings).ipv4 ?? [])

const names = (settings: CaptureSettings, annotations?: Record<string, string>): string[] =>
  podRules(settings, parsePodOverrides(annotations)).map(rule => rule.name)

// docs/spec/capture.md 9.1
const dualStackVm = (loopback: string, probe: string): string => `* mangle
-N ISTIO_PRERT
-N ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
* nat
-N ISTIO_PRERT
-N ISTIO_OUTPUT
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A ISTIO_PRERT -i tapvm0 -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_PRERT -i tapvm0 -p tcp -j RETURN
-A ISTIO_PRERT -s ${probe} -p tcp -m tcp -j ACCEPT
-A ISTIO_OUTPUT -d ${probe} -p tcp -m tcp -j ACCEPT
-A ISTIO_PRERT ! -d ${loopback} -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-port 15053
-A ISTIO_OUTPUT ! -d ${loopback} -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d ${loopback} -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d ${loopback} -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
* raw
-N ISTIO_OUTPUT
-N ISTIO_PRERT
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1
-A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1
COMMIT
`

// docs/spec/capture.md 9.3, its mangle part written out
const ingressNftables = `add table inet istio-ambient-nat
flush table inet istio-ambient-nat
add chain inet istio-ambient-nat prerouting { type nat hook prerouting priority -100 ; }
add chain inet istio-ambient-nat output { type nat hook output priority -100 ; }
add chain inet istio-ambient-nat istio-prerouting
add chain inet istio-ambient-nat istio-output
add rule inet istio-ambient-nat output jump istio-output
add rule inet istio-ambient-nat prerouting jump istio-prerouting
add rule inet istio-ambient-nat istio-prerouting iifname br-vm meta l4proto tcp counter redirect to :15001
add rule inet istio-ambient-nat istio-prerouting iifname br-vm meta l4proto tcp counter return
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr 169.254.40.2 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp mark and 0xfff == 0x111 counter accept
add rule inet istio-ambient-nat istio-output oifname lo ip daddr != 127.0.0.1/32 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr != 127.0.0.1/32 mark and 0xfff != 0x539 counter redirect to :15001
add table inet istio-ambient-mangle
flush table inet istio-ambient-mangle
add chain inet istio-ambient-mangle prerouting { type filter hook prerouting priority -150 ; }
add chain inet istio-ambient-mangle output { type route hook output priority -150 ; }
add chain inet istio-ambient-mangle istio-prerouting
add chain inet istio-ambient-mangle istio-output
add rule inet istio-ambient-mangle prerouting jump istio-prerouting
add rule inet istio-ambient-mangle output jump istio-output
add rule inet istio-ambient-mangle istio-prerouting meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 | 0x111
add rule inet istio-ambient-mangle istio-output ct mark and 0xfff == 0x111 counter meta mark set ct mark
`

describe('rules for iptables', () => {
  it('renders worked example 9.1 for both families', () => {
    const settings = { dnsCapture: false, ipv6: true, probe: exampleProbe }
    const overrides = parsePodOverrides({
      'ambient.istio.io/dns-capture': 'T',
      'istio.io/reroute-virtual-interfaces': ' tapvm0 ,'
    })
    const plan = podRulePlan(podRules(settings, overrides), settings)
    expect(restoreText(plan.ipv6!)).toBe(dualStackVm('::1/128', 'fd0a:77::40:2'))
    expect(restoreText(plan.ipv4!)).toBe(dualStackVm('127.0.0.1/32', '169.254.40.2'))
  })

  it('[capture-1] orders tables mangle, nat, raw and rules as the specification lists them', () => {
    const text = ipv4Text(defaults)
    expect(text.match(/^\* .*/gm)).toEqual(['* mangle', '* nat', '* raw'])
    const vm = dualStackVm('127.0.0.1/32', '169.254.7.127')
    expect(text).toBe(vm.replaceAll(/^.*tapvm0.*\n/gm, ''))
    expect(podRulePlan(podRules(defaults), defaults).ipv6).toBeUndefined()
  })

  it('[capture-2] has no DNS rule without DNS capture', () => {
    const text = ipv4Text({ ...defaults, dnsCapture: false })
    expect(text).not.toContain('raw')
    expect(text).not.toContain('15053')
  })

  it.each([
    { value: 'false', captured: false },
    { value: 'yes', captured: true }
  ])('[capture-3] annotation dns-capture=$value on a node with capture: $captured', ({ value, captured }) => {
    expect(ipv4Text(defaults, { 'ambient.istio.io/dns-capture': value }).includes('15053')).toBe(captured)
  })

  it('leaves out N5 and N7 in ingress mode and keeps the return path', () => {
    const rules = names(defaults, { 'ambient.istio.io/bypass-inbound-capture': 'true' })
    expect(rules).not.toContain('N5')
    expect(rules).not.toContain('N7')
    expect(rules).toEqual(expect.arrayContaining(['M3', 'M4', 'N6', 'N12']))
    // ISTIO_PRERT is then only jumped to, and has to be made all the same.
    const text = ipv4Text(defaults, { 'ambient.istio.io/bypass-inbound-capture': 'true' })
    expect(text).toContain('* nat\n-N ISTIO_OUTPUT\n-N ISTIO_PRERT\n')
  })

  it('[capture-5] puts virtual interfaces first into nat ISTIO_PRERT', () => {
    const text = ipv4Text(defaults, { 'istio.io/reroute-virtual-interfaces': ' a0 ,,b1 ' })
    const nat = text.slice(text.indexOf('* nat'), text.indexOf('* raw'))
    expect(nat.match(/^-A ISTIO_PRERT .*/gm)?.slice(0, 5)).toEqual([
      '-A ISTIO_PRERT -i a0 -p tcp -j REDIRECT --to-ports 15001',
      '-A ISTIO_PRERT -i a0 -p tcp -j RETURN',
      '-A ISTIO_PRERT -i b1 -p tcp -j REDIRECT --to-ports 15001',
      '-A ISTIO_PRERT -i b1 -p tcp -j RETURN',
      '-A ISTIO_PRERT -s 169.254.7.127 -p tcp -m tcp -j ACCEPT'
    ])
  })

  it.each(['a b', 'a\nCOMMIT', '-j', '!eth0', 'a;b', '"a"', 'a\\', 'a{', '#a', '@set'])(
    'refuses interface name %j',
    name => {
      expect(() => names(defaults, { 'istio.io/reroute-virtual-interfaces': name })).toThrowError(
        expect.objectContaining({ code: 'IPTABLES_BAD_INTERFACE' })
      )
    }
  )
})

describe('rules for nftables', () => {
  it('renders worked example 9.3', () => {
    const settings = { dnsCapture: false, ipv6: false, probe: exampleProbe }
    const overrides = parsePodOverrides({
      'ambient.istio.io/bypass-inbound-capture': 'true',
      'istio.io/reroute-virtual-interfaces': 'br-vm'
    })
    expect(podTransaction(podRules(settings, overrides))).toBe(ingressNftables)
  })

  it('puts the IPv6 line right after its IPv4 line', () => {
    const lines = podTransaction(podRules({ ...defaults, ipv6: true })).split('\n')
    const at = lines.findIndex(line => line.includes('redirect to :15006'))
    expect(lines.slice(at, at + 2)).toEqual([
      'add rule inet istio-ambient-nat istio-prerouting ip daddr != 127.0.0.1/32 tcp dport != 15008 mark and 0xfff != 0x539 counter redirect to :15006',
      'add rule inet istio-ambient-nat istio-prerouting ip6 daddr != ::1/128 tcp dport != 15008 mark and 0xfff != 0x539 counter redirect to :15006'
    ])
    expect(lines.filter(line => line.includes('ct zone set 1'))).toEqual([
      'add rule inet istio-ambient-raw istio-output udp dport 53 meta mark and 0xfff == 0x539 counter ct zone set 1',
      'add rule inet istio-ambient-raw istio-prerouting udp sport 53 meta mark and 0xfff != 0x539 counter ct zone set 1'
    ])
  })

  it('[capture-19] jumps without a counter, and re-routes on a changed mark', () => {
    const lines = podTransaction(podRules(defaults)).split('\n')
    expect(lines).toContain('add chain inet istio-ambient-mangle output { type route hook output priority -150 ; }')
    const jumps = lines.filter(line => line.includes(' jump '))
    expect(jumps).toHaveLength(6)
    expect(jumps.filter(line => line.includes('counter'))).toEqual([])
  })

  it('deletes by adding first', () => {
    expect(podDeletion().split('\n')).toEqual([
      'add table inet istio-ambient-nat',
      'delete table inet istio-ambient-nat',
      'add table inet istio-ambient-mangle',
      'delete table inet istio-ambient-mangle',
      'add table inet istio-ambient-raw',
      'delete table inet istio-ambient-raw',
      ''
    ])
  })
})
