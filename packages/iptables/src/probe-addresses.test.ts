import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultProbeAddresses } from './constants.ts'
import { hostRulePlan, restoreText } from './iptables-rules.ts'
import { parseIpsetSave } from './ipset.ts'
import { findKubeletUid } from './kubelet-uid.ts'
import { parseNftSet } from './nft-set.ts'
import { hostTransaction } from './nftables-text.ts'
import { createProbeAddressSet, probeAddress, type ProbeSetStore, requireUid } from './probe-addresses.ts'

describe('addresses', () => {
  it.each([
    { text: '10.1.2.3', address: { family: 'ipv4', ip: '10.1.2.3' } },
    { text: '::ffff:10.1.2.3', address: { family: 'ipv4', ip: '10.1.2.3' } },
    { text: 'FD42:3:0:0::11', address: { family: 'ipv6', ip: 'fd42:3::11' } }
  ])('$text', ({ text, address }) => expect(probeAddress(text)).toEqual(address))

  it.each(['', 'pod', '10.1.2.3/24', 'fe80::1%eth0', '10.1.2.3; flush ruleset'])('refuses %j', text => {
    expect(() => probeAddress(text)).toThrowError(expect.objectContaining({ code: 'IPTABLES_BAD_ADDRESS' }))
  })

  it('refuses a UID that could be more than a comment', () => {
    expect(requireUid('0d5f2c1a-0000-4000-8000-000000000001')).toBe('0d5f2c1a-0000-4000-8000-000000000001')
    expect(() => requireUid('a" } ; flush ruleset')).toThrowError(/cannot be a set entry's comment/)
  })
})

describe('a set', () => {
  function setOver(options: Pick<ProbeSetStore, 'ipv6' | 'withoutIpv6'>) {
    const entries = new Map<string, string>()
    const nothing = async (): Promise<void> => {}
    const set = createProbeAddressSet({
      ...options,
      create: nothing,
      flush: nothing,
      destroy: nothing,
      add: async (_, ip, podUid) => void entries.set(ip, podUid),
      delete: async (_, ip) => void entries.delete(ip),
      list: async family =>
        [...entries].filter(([ip]) => ip.includes(':') === (family === 'ipv6')).map(([ip, podUid]) => ({ ip, podUid }))
    })
    return { entries, set }
  }

  it('gives an address back only for the pod that has it', async () => {
    const { set, entries } = setOver({ ipv6: true, withoutIpv6: 'refuse' })
    await set.add('FD42::11', 'uid-a')
    await set.add('fd42::11', 'uid-b')
    expect(await set.remove('fd42::11', 'uid-a')).toBe('foreign')
    expect(await set.list()).toEqual([{ ip: 'fd42::11', podUid: 'uid-b' }])
    expect(await set.remove('FD42:0::11', 'uid-b')).toBe('removed')
    expect(await set.remove('fd42::11', 'uid-b')).toBe('absent')
    expect(entries.size).toBe(0)
  })

  it('is pruned to the addresses that are to be kept', async () => {
    const { set } = setOver({ ipv6: true, withoutIpv6: 'refuse' })
    for (const ip of ['10.1.2.3', '10.1.2.4', 'fd42::11']) await set.add(ip, 'uid')
    expect(await set.prune(['::ffff:10.1.2.3', 'fd42::12'])).toEqual(['10.1.2.4', 'fd42::11'])
    expect((await set.list()).map(({ ip }) => ip)).toEqual(['10.1.2.3'])
  })

  it.each(['refuse', 'ignore'] as const)('has no IPv6 addresses while IPv6 is off: %ss them', async withoutIpv6 => {
    const { set, entries } = setOver({ ipv6: false, withoutIpv6 })
    const code = 'IPTABLES_NO_IPV6_SET'
    if (withoutIpv6 === 'ignore') await set.add('fd42::11', 'uid')
    else await expect(set.add('fd42::11', 'uid')).rejects.toMatchObject({ code })
    await expect(set.remove('fd42::11', 'uid')).rejects.toMatchObject({ code })
    expect(entries.size).toBe(0)
    expect(await set.list()).toEqual([])
  })
})

describe('listings', () => {
  it('reads ipset save', () => {
    const text =
      'create s hash:ip family inet hashsize 1024 maxelem 65536 comment\nadd s 1.2.3.4 comment "uid-b"\nadd s 1.2.3.5\n'
    expect(parseIpsetSave(text)).toEqual([
      { ip: '1.2.3.4', podUid: 'uid-b' },
      { ip: '1.2.3.5', podUid: '' }
    ])
  })

  it('reads an nft set', () => {
    const json =
      '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "s", "elem": ["1.2.3.5", {"elem": {"val": "1.2.3.4", "comment": "abc"}}]}}]}'
    expect(parseNftSet(json)).toEqual([
      { ip: '1.2.3.5', podUid: '' },
      { ip: '1.2.3.4', podUid: 'abc' }
    ])
    expect(parseNftSet('{"nftables": [{"set": {"name": "s"}}]}')).toEqual([])
  })
})

describe('host rules', () => {
  it('renders for iptables', () => {
    expect(restoreText(hostRulePlan(defaultProbeAddresses, { ipv6: true }).ipv6!)).toBe(`* nat
-N ISTIO_POSTRT
-I POSTROUTING 1 -j ISTIO_POSTRT
-A ISTIO_POSTRT -m owner --socket-exists -p tcp -m set --match-set istio-inpod-probes-v6 dst -j SNAT --to-source fd16:9254:7127:1337:ffff:ffff:ffff:ffff
COMMIT
`)
  })

  it('renders for nftables', () => {
    const lines = hostTransaction(defaultProbeAddresses, { ipv6: true, kubeletUid: 12 }).split('\n')
    expect(lines.filter(line => line.startsWith('add rule') || line.startsWith('add chain'))).toEqual([
      'add chain inet istio-ambient-nat postrouting { type nat hook postrouting priority 100 ; }',
      'add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 12 ip daddr @istio-inpod-probes-v4 counter snat to 169.254.7.127',
      'add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 12 ip6 daddr @istio-inpod-probes-v6 counter snat to fd16:9254:7127:1337:ffff:ffff:ffff:ffff'
    ])
  })
})

describe('findKubeletUid', () => {
  const roots: string[] = []
  afterEach(() => {
    for (const root of roots.splice(0)) fs.rmSync(root, { recursive: true })
  })

  const proc = (processes: Record<string, { comm: string; cmdline: string; uid: number }>): string => {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-proc-'))
    roots.push(root)
    fs.mkdirSync(`${root}/sys`)
    fs.mkdirSync(`${root}/1`) // unreadable: it has no files
    for (const [pid, { comm, cmdline, uid }] of Object.entries(processes)) {
      fs.mkdirSync(`${root}/${pid}`, { recursive: true })
      fs.writeFileSync(`${root}/${pid}/comm`, `${comm}\n`)
      fs.writeFileSync(`${root}/${pid}/cmdline`, cmdline.replaceAll(' ', '\0'))
      fs.writeFileSync(`${root}/${pid}/status`, `Name:\t${comm}\nUid:\t${uid}\t7\t7\t7\n`)
    }
    return root
  }

  it.each([
    { name: 'kubelet', processes: { 20: { comm: 'kubelet', cmdline: '/usr/bin/Kubelet --v=2', uid: 5 } }, uid: 5 },
    { name: 'kubelite', processes: { 20: { comm: 'kubelite', cmdline: 'kubelite --kubelet-args=x', uid: 6 } }, uid: 6 },
    { name: 'k3s without arguments', processes: { 20: { comm: 'k3s', cmdline: '', uid: 8 } }, uid: 8 }
  ])('finds $name', ({ processes, uid }) => expect(findKubeletUid(proc(processes))).toBe(uid))

  it('does not take a process that is only named so', () => {
    const root = proc({ 20: { comm: 'kubelet', cmdline: 'sleep 1', uid: 5 } })
    expect(() => findKubeletUid(root)).toThrowError(expect.objectContaining({ code: 'IPTABLES_NO_KUBELET' }))
  })
})
