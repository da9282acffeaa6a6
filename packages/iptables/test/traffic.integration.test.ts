import dgram from 'node:dgram'
import { once } from 'node:events'
import type net from 'node:net'
import { bindUdp, connectTcp } from '@culvert/netns'
import { notRoot, titled } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { noOverrides } from '../src/index.ts'
import { addresses, type Bench, capturing, createBench } from './bench.ts'

const ztunnelMark = 0x539

/** Connects, waits for the server's greeting and leaves: then the connection is surely accepted. */
async function greet(connecting: Promise<net.Socket>): Promise<void> {
  const socket = await connecting
  await once(socket, 'data')
  socket.destroy()
}

const rows = (['iptables', 'nftables'] as const).flatMap(kind =>
  (['ipv4', 'ipv6'] as const).map(family => ({ kind, family }))
)

describe.skipIf(notRoot).each(rows)(titled('traffic of a pod, $kind, $family'), ({ kind, family }) => {
  const { pod: podIp, peer: peerIp, probe, client, resolver } = addresses[family]

  async function enrolled(options: { bypassInbound?: boolean } = {}): Promise<Bench> {
    const bench = await createBench()
    const { capture } = await capturing(kind, { host: bench.peer, ipv6: family === 'ipv6' })
    await capture.createPodRules(bench.pod, { ...noOverrides, ...options })
    return bench
  }

  it('[capture-6, 7] outbound: unmarked goes to 15001 with its destination known, marked goes on', async () => {
    await using bench = await enrolled()
    const real = await bench.serve(bench.peer, peerIp, 7000)
    const ztunnel = await bench.serve(bench.pod, '::', 15001)
    await greet(connectTcp(bench.pod, { ip: peerIp, port: 7000 }))
    expect(ztunnel.seen).toEqual([{ from: podIp, original: `${peerIp}:7000` }])
    expect(real.seen).toEqual([])
    await greet(connectTcp(bench.pod, { ip: peerIp, port: 7000 }, { mark: ztunnelMark }))
    expect(ztunnel.seen).toHaveLength(1)
    expect(real.seen).toMatchObject([{ from: podIp }])
  })

  it('[capture-8] inbound: plain text goes to 15006, HBONE and probes do not', async () => {
    await using bench = await enrolled()
    const app = await bench.serve(bench.pod, '::', 7000)
    const plain = await bench.serve(bench.pod, '::', 15006)
    const hbone = await bench.serve(bench.pod, '::', 15008)
    await greet(connectTcp(bench.peer, { ip: podIp, port: 7000 }))
    expect(plain.seen).toEqual([{ from: peerIp, original: `${podIp}:7000` }])
    await greet(connectTcp(bench.peer, { ip: podIp, port: 15008 }))
    expect(hbone.seen).toMatchObject([{ from: peerIp }])
    expect(app.seen).toEqual([])
    await greet(connectTcp(bench.peer, { ip: podIp, port: 7000 }, { from: probe }))
    expect(app.seen).toMatchObject([{ from: probe }])
    expect(plain.seen).toHaveLength(1)
  })

  it('[capture-9] the spoofed connection to the application needs the policy rule', async () => {
    await using bench = await enrolled()
    const app = await bench.serve(bench.pod, '::', 7000)
    const spoofed = (timeout: number): Promise<net.Socket> =>
      connectTcp(bench.pod, { ip: podIp, port: 7000 }, { mark: ztunnelMark, from: client, timeout })
    await greet(spoofed(5000))
    expect(app.seen).toMatchObject([{ from: client }])
    await bench.sh(bench.pod, `ip ${family === 'ipv4' ? '-4' : '-6'} rule del pref 32764`)
    await expect(spoofed(700)).rejects.toThrowError()
  })

  it('[capture-4] ingress mode: HBONE reaches the application with the client address, the rest is not touched', async () => {
    await using bench = await enrolled({ bypassInbound: true })
    const app = await bench.serve(bench.pod, '::', 7000)
    const hbone = await bench.serve(bench.pod, '::', 15008)
    await greet(connectTcp(bench.peer, { ip: podIp, port: 15008 }))
    expect(hbone.seen).toMatchObject([{ from: peerIp }])
    await greet(connectTcp(bench.pod, { ip: podIp, port: 7000 }, { mark: ztunnelMark, from: peerIp, timeout: 5000 }))
    await greet(connectTcp(bench.peer, { ip: podIp, port: 7000 }))
    expect(app.seen).toMatchObject([{ from: peerIp }, { from: peerIp }])
    // The spelling of both back ends for "nothing is redirected inbound".
    expect(await bench.sh(bench.pod, 'nft list ruleset')).not.toContain(':15006')
  })

  it('[capture-10] keeps the upper bits of the conntrack mark', async () => {
    await using bench = await enrolled()
    await bench.serve(bench.pod, '::', 7000)
    await bench.sh(
      bench.pod,
      `nft add table inet probe
       nft 'add chain inet probe early { type filter hook output priority -160 ; }'
       nft 'add rule inet probe early tcp dport 7000 ct mark set 0xabcde000'
       nft 'add chain inet probe late { type filter hook input priority 10 ; }'
       nft 'add rule inet probe late tcp dport 7000 ct mark 0xabcde111 counter'`
    )
    await greet(connectTcp(bench.pod, { ip: podIp, port: 7000 }, { mark: ztunnelMark, from: client, timeout: 5000 }))
    const listing = await bench.sh(bench.pod, 'nft list chain inet probe late')
    expect(Number(/counter packets (\d+)/.exec(listing)?.[1])).toBeGreaterThan(0)
  })

  it('leads UDP DNS into 15053 and its answers back', async () => {
    await using bench = await enrolled()
    const proxy = dgram.createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
    const app = dgram.createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
    try {
      proxy.bind({
        fd: bindUdp(bench.pod, { ip: family === 'ipv4' ? '127.0.0.1' : '::1', port: 15053, mark: ztunnelMark })
      })
      proxy.on('message', (_query, from) => proxy.send('answer', from.port, from.address))
      app.bind({ fd: bindUdp(bench.pod, { ip: family === 'ipv4' ? '0.0.0.0' : '::', port: 0 }) })
      app.send('query', 53, resolver)
      const [answer, from] = (await once(app, 'message')) as [Buffer, dgram.RemoteInfo]
      expect(`${answer} from ${from.address}:${from.port}`).toBe(`answer from ${resolver}:53`)
    } finally {
      proxy.close()
      app.close()
    }
  })

  it('a pod that reaches itself is left alone', async () => {
    await using bench = await enrolled()
    const app = await bench.serve(bench.pod, '::', 7000)
    await greet(connectTcp(bench.pod, { ip: podIp, port: 7000 }))
    expect(app.seen).toMatchObject([{ from: podIp }])
  })
})
