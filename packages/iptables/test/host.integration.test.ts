import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { once } from 'node:events'
import { connectTcp } from '@culvert/netns'
import { notRoot, titled } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { chooseBackend, defaultProbeAddresses, noOverrides } from '../src/index.ts'
import { capturing, createBench, peerIp, podIp } from './bench.ts'

const uidA = '0d5f2c1a-0000-4000-8000-00000000000a'
const uidB = '0d5f2c1a-0000-4000-8000-00000000000b'

/** A host's /proc with a kubelet of this user. */
function procWithKubelet(uid: number): { root: string } & Disposable {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-proc-'))
  fs.mkdirSync(`${root}/20`)
  fs.writeFileSync(`${root}/20/comm`, 'kubelet\n')
  fs.writeFileSync(`${root}/20/cmdline`, 'kubelet\0')
  fs.writeFileSync(`${root}/20/status`, `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`)
  return { root, [Symbol.dispose]: () => fs.rmSync(root, { recursive: true }) }
}

describe.skipIf(notRoot).each(['iptables', 'nftables'] as const)(titled('host side, %s'), kind => {
  it('gives the probe address to what the node itself connects, and only to pods in the set', async () => {
    await using bench = await createBench()
    using proc = procWithKubelet(0)
    const { capture } = await capturing(kind, { host: bench.peer, procRoot: proc.root })
    await capture.probeAddresses.create()
    await capture.createHostRules()
    const app = await bench.serve(bench.pod, '::', 7000)
    const probe = async (): Promise<string> => {
      const socket = await connectTcp(bench.peer, { ip: podIp, port: 7000 })
      await once(socket, 'data')
      socket.destroy()
      return app.seen.at(-1)!.from
    }
    expect(await probe()).toBe(peerIp)
    await capture.probeAddresses.add(podIp, uidA)
    expect(await probe()).toBe(defaultProbeAddresses.ipv4)
    await capture.createPodRules(bench.pod, noOverrides)
    expect(await probe()).toBe(defaultProbeAddresses.ipv4)
  })

  it('keeps addresses with their owners', async () => {
    await using bench = await createBench()
    const { probeAddresses } = (await capturing(kind, { host: bench.peer, ipv6: true })).capture
    await probeAddresses.create()
    await probeAddresses.add('10.1.2.3', uidA)
    await probeAddresses.add('::ffff:10.1.2.4', uidB)
    await probeAddresses.add('fd42:3::11', uidB)
    await probeAddresses.create()
    expect(await probeAddresses.list()).toEqual(
      expect.arrayContaining([
        { ip: '10.1.2.3', podUid: uidA },
        { ip: '10.1.2.4', podUid: uidB },
        { ip: 'fd42:3::11', podUid: uidB }
      ])
    )
    expect(await probeAddresses.remove('10.1.2.3', uidB)).toBe('foreign')
    expect(await probeAddresses.remove('10.1.2.3', uidA)).toBe('removed')
    expect(await probeAddresses.remove('10.1.2.3', uidA)).toBe('absent')
    expect(await probeAddresses.prune(['fd42:3:0::11'])).toEqual(['10.1.2.4'])
    await probeAddresses.flush()
    expect(await probeAddresses.list()).toEqual([])
    await probeAddresses.destroy()
    expect(await bench.sh(bench.peer, 'ipset list -name; nft list ruleset')).not.toContain('istio')
  })
})

describe.skipIf(notRoot)(titled('host side'), () => {
  it('[capture-20] puts one rule behind the first jump of POSTROUTING, also beside foreign rules', async () => {
    await using bench = await createBench()
    await bench.sh(bench.peer, 'iptables -t nat -A POSTROUTING -p udp -j RETURN')
    const { capture, warnings } = await capturing('iptables', { host: bench.peer })
    await capture.probeAddresses.create()
    await capture.createHostRules()
    const rules = async (): Promise<string[]> =>
      (await bench.sh(bench.peer, 'iptables -t nat -S')).split('\n').filter(line => line.startsWith('-A'))
    expect(await rules()).toEqual([
      '-A POSTROUTING -j ISTIO_POSTRT',
      '-A POSTROUTING -p udp -j RETURN',
      '-A ISTIO_POSTRT -p tcp -m owner --socket-exists -m set --match-set istio-inpod-probes-v4 dst -j SNAT --to-source 169.254.7.127'
    ])
    expect(warnings).toEqual(['the host has other rules already; adding ours to them'])
    await capture.deleteHostRules()
    await capture.deleteHostRules()
    expect(await rules()).toEqual(['-A POSTROUTING -p udp -j RETURN'])
    await capture.probeAddresses.destroy()
  })

  it('[capture-21] an address passes to the pod that got it last', async () => {
    await using bench = await createBench()
    const { probeAddresses } = (await capturing('iptables', { host: bench.peer })).capture
    await probeAddresses.create()
    await probeAddresses.add('10.1.2.3', uidA)
    await probeAddresses.add('10.1.2.3', uidB)
    expect(await probeAddresses.remove('10.1.2.3', uidA)).toBe('foreign')
    expect(await probeAddresses.list()).toEqual([{ ip: '10.1.2.3', podUid: uidB }])
  })

  it('has no set for an IPv6 address while IPv6 is off', async () => {
    await using bench = await createBench()
    const ipset = (await capturing('iptables', { host: bench.peer })).capture.probeAddresses
    await expect(ipset.add('fd42::1', uidA)).rejects.toThrowError(/IPv6 is off/)
    const nft = (await capturing('nftables', { host: bench.peer })).capture.probeAddresses
    await nft.create()
    await nft.add('fd42::1', uidA)
    await expect(nft.remove('fd42::1', uidA)).rejects.toThrowError(/IPv6 is off/)
  })

  it('[capture-24] stays with iptables where its set is', async () => {
    await using bench = await createBench()
    const log = { debug() {}, info() {}, warn() {} }
    const choice = { nativeNftables: true, ipv6: false, netns: bench.peer, log }
    expect(await chooseBackend(choice)).toBe('nftables')
    await bench.sh(bench.peer, 'ipset create istio-inpod-probes-v4 hash:ip')
    expect(await chooseBackend(choice)).toBe('iptables')
  })

  it('nftables deletion of host rules keeps the elements', async () => {
    await using bench = await createBench()
    using proc = procWithKubelet(0)
    const { capture } = await capturing('nftables', { host: bench.peer, procRoot: proc.root })
    await capture.probeAddresses.create()
    await capture.probeAddresses.add('10.1.2.3', uidA)
    await capture.createHostRules()
    await capture.createHostRules()
    expect((await bench.sh(bench.peer, 'nft list ruleset')).match(/snat/g)).toHaveLength(1)
    await capture.deleteHostRules()
    expect(await bench.sh(bench.peer, 'nft list ruleset')).not.toContain('snat')
    expect(await capture.probeAddresses.list()).toEqual([{ ip: '10.1.2.3', podUid: uidA }])
  })
})
