import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { constants, getsockopt } from '@culvert/native-netns'
import { notRoot, titled } from '@culvert/testing'
import { connectTcp } from './connect.ts'
import type { NetnsError } from './errors.ts'
import { bindUdp, listenTcp } from './listen.ts'
import {
  createNetns,
  currentNetns,
  duplicateNetns,
  inNetns,
  type Netns,
  netnsFromFd,
  openNetns,
  sameNetns
} from './netns.ts'
import { originalDestination } from './original-destination.ts'
import { run } from './run-program.ts'

describe.skipIf(notRoot)(titled('network namespaces'), () => {
  let pod: Netns

  beforeAll(async () => {
    pod = createNetns()
    for (const args of [
      ['link', 'set', 'lo', 'up'],
      ['link', 'add', 'dead0', 'type', 'veth', 'peer', 'name', 'dead1'],
      ['link', 'set', 'dead1', 'up'],
      ['link', 'set', 'dead0', 'up']
    ]) {
      expect(await run(pod, 'ip', args)).toMatchObject({ code: 0, stderr: '' })
    }
    await run(pod, 'ip', ['addr', 'add', '10.66.0.1/24', 'dev', 'dead0'])
    await run(pod, 'ip', ['-6', 'addr', 'add', 'fd66::1/64', 'dev', 'dead0', 'nodad'])
  })

  afterAll(() => pod.close())

  const threadNetns = (): bigint => fs.statSync('/proc/thread-self/ns/net', { bigint: true }).ino

  async function serve(options: Partial<Parameters<typeof listenTcp>[1]> = {}): Promise<{
    port: number
    accepted: Promise<net.Socket>
    [Symbol.asyncDispose](): Promise<void>
  }> {
    const { fd } = listenTcp(pod, { ip: '::', port: 0, ...options })
    const { promise, resolve } = Promise.withResolvers<net.Socket>()
    const sockets: net.Socket[] = []
    const server = net.createServer({ allowHalfOpen: true }, socket => {
      sockets.push(socket)
      resolve(socket)
    })
    server.listen({ fd }, 128)
    await once(server, 'listening')
    return {
      port: (server.address() as net.AddressInfo).port,
      accepted: promise,
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy()
        server.close()
        await once(server, 'close')
      }
    }
  }

  const fdOf = (socket: net.Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd

  it('makes and opens namespaces with one identity', () => {
    const home = currentNetns()
    const again = openNetns('/proc/self/ns/net')
    expect(sameNetns(home, again)).toBe(true)
    expect(sameNetns(home, pod)).toBe(false)
    const copy = duplicateNetns(pod)
    expect(sameNetns(copy, pod)).toBe(true)
    expect(copy.fd).not.toBe(pod.fd)
    for (const netns of [home, again, copy]) netns.close()
  })

  it('refuses files that are no network namespace, without leaking them', () => {
    const before = fs.readdirSync('/proc/self/fd').length
    for (const file of ['/proc/self/ns/mnt', '/dev/null', '/etc/hostname']) {
      expect(() => openNetns(file)).toThrow(
        expect.objectContaining<Partial<NetnsError>>({ code: 'NETNS_NOT_A_NETWORK_NAMESPACE' })
      )
    }
    expect(() => openNetns('/nonexistent')).toThrow(expect.objectContaining<Partial<NetnsError>>({ code: 'ENOENT' }))
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before)
  })

  it('calls inside and is back outside, also after a throw', () => {
    const home = threadNetns()
    expect(inNetns(pod, threadNetns)).toBe(pod.inode)
    expect(threadNetns()).toBe(home)
    const thrown = new Error('from inside')
    expect(() =>
      inNetns(pod, () => {
        throw thrown
      })
    ).toThrow(thrown)
    expect(threadNetns()).toBe(home)
    expect(inNetns(pod, () => Object.keys(os.networkInterfaces()))).toContain('dead0')
  })

  it('nests', () => {
    const other = createNetns()
    const seen = inNetns(pod, () => [inNetns(other, threadNetns), threadNetns()])
    expect(seen).toEqual([other.inode, pod.inode])
    other.close()
  })

  it('refuses asynchronous calls, closed handles and descriptors of other files', () => {
    expect(() => inNetns(pod, async () => {})).toThrow(
      expect.objectContaining<Partial<NetnsError>>({ code: 'NETNS_ASYNC_CALL' })
    )
    const closed = duplicateNetns(pod)
    closed.close()
    closed.close()
    expect(() => inNetns(closed, () => {})).toThrow(
      expect.objectContaining<Partial<NetnsError>>({ code: 'NETNS_CLOSED' })
    )
    const file = netnsFromFd(fs.openSync('/dev/null', 'r'))
    expect(() => inNetns(file, () => {})).toThrow(expect.objectContaining<Partial<NetnsError>>({ code: 'EINVAL' }))
    expect(() => listenTcp(file, { ip: '::', port: 0 })).toThrow(/cannot bind TCP \[::\]:0: EINVAL.*setns/)
    file.close()
  })

  it('runs programs inside, with input, status and time limit', async () => {
    const list = await run(pod, 'ip', ['-o', 'link'])
    expect(list.stdout).toContain('dead0')
    expect(await run(pod, 'sh', ['-c', 'cat; echo oops >&2; exit 3'], { input: 'fed' })).toEqual({
      code: 3,
      stdout: 'fed',
      stderr: 'oops\n'
    })
    expect(await run(pod, 'sh', ['-c', 'kill -TERM $$'])).toMatchObject({ code: 143 })
    await expect(run(pod, 'sleep', ['60'], { timeout: 50 })).rejects.toMatchObject({ code: 'NETNS_PROGRAM_TIMEOUT' })
    await expect(run(pod, '/nonexistent', [])).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('says so when descriptors have run out, and lives on', async () => {
    const module = new URL('./run-program.ts', import.meta.url)
    const script = `
      import fs from 'node:fs'
      import { run } from '${module}'
      await run(undefined, 'true', [])
      const fds = []
      try { for (;;) fds.push(fs.openSync('/dev/null')) } catch {}
      const { code } = await run(undefined, 'true', []).catch(error => error)
      for (const fd of fds) fs.closeSync(fd)
      console.log(code)`
    const limited = 'ulimit -n 64; exec "$0" --conditions=source --input-type=module -e "$1"'
    expect(await run(undefined, 'sh', ['-c', limited, process.execPath, script])).toMatchObject({ stdout: 'EMFILE\n' })
  })

  it('listens inside only, dual stack, marked, transparent', async () => {
    const { fd, transparent } = listenTcp(pod, {
      ip: '::',
      port: 15008,
      mark: 1337,
      reusePort: true,
      transparent: 'require'
    })
    expect(transparent).toBe(true)
    expect(getsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK)).toBe(1337)
    expect(getsockopt(fd, constants.SOL_SOCKET, constants.SO_KEEPALIVE)).toBe(0)
    expect(getsockopt(fd, constants.SOL_SOCKET, constants.SO_REUSEPORT)).toBe(1)
    expect(getsockopt(fd, constants.SOL_SOCKET, constants.SO_REUSEADDR)).toBe(0)
    expect(getsockopt(fd, constants.SOL_IP, constants.IP_TRANSPARENT)).toBe(1)
    const listing = await run(pod, 'ss', ['-ltnH', 'sport', '=', ':15008'])
    expect(listing.stdout).toMatch(/LISTEN\s+0\s+128\s+\*:15008/)
    expect((await run(undefined, 'ss', ['-ltnH', 'sport', '=', ':15008'])).stdout).toBe('')
    // The same port again, as a second ztunnel binds it during an upgrade.
    const second = listenTcp(pod, { ip: '::', port: 15008, reusePort: true })
    expect(() => listenTcp(pod, { ip: '::', port: 15008 })).toThrow(/cannot bind TCP \[::\]:15008: EADDRINUSE/)
    fs.closeSync(second.fd)
    fs.closeSync(fd)
  })

  it('binds UDP for dgram', async () => {
    const fd = bindUdp(pod, { ip: '127.0.0.1', port: 15053, mark: 1337, reusePort: true })
    expect(getsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK)).toBe(1337)
    const server = dgram.createSocket('udp4')
    await new Promise<void>(listening => server.bind({ fd }, listening))
    const sender = dgram.createSocket('udp4')
    await new Promise<void>(listening => sender.bind({ fd: bindUdp(pod, { ip: '127.0.0.1', port: 0 }) }, listening))
    sender.send('ping', 15053, '127.0.0.1')
    const [message] = await once(server, 'message')
    expect(String(message)).toBe('ping')
    server.close()
    sender.close()
  })

  it('connects with mark, keepalive and half-open streams', async () => {
    await using server = await serve({ keepalive: { idle: 20_001, interval: 500, retries: 3 } })
    const socket = await connectTcp(
      pod,
      { ip: '10.66.0.1', port: server.port },
      {
        mark: 1337,
        keepalive: { idle: 180_000, interval: 180_000, retries: 9 },
        userTimeout: true,
        allowHalfOpen: true,
        timeout: 5000
      }
    )
    const tcp = (of: net.Socket, name: number): number => getsockopt(fdOf(of), constants.SOL_TCP, name)
    const deadPeerOptions = (of: net.Socket) => [
      getsockopt(fdOf(of), constants.SOL_SOCKET, constants.SO_KEEPALIVE),
      tcp(of, constants.TCP_KEEPIDLE),
      tcp(of, constants.TCP_KEEPINTVL),
      tcp(of, constants.TCP_KEEPCNT),
      tcp(of, constants.TCP_USER_TIMEOUT)
    ]
    expect(getsockopt(fdOf(socket), constants.SOL_SOCKET, constants.SO_MARK)).toBe(1337)
    expect(deadPeerOptions(socket)).toEqual([1, 180, 180, 9, 1_800_000])
    expect(tcp(socket, constants.TCP_NODELAY)).not.toBe(0)
    const peer = await server.accepted
    expect(deadPeerOptions(peer)).toEqual([1, 21, 1, 3, 0])
    // The peer ends first; this side can still answer.
    peer.end('bye')
    const [chunk] = await once(socket, 'data')
    expect(String(chunk)).toBe('bye')
    await once(socket, 'end')
    socket.end('still here')
    const [answer] = await once(peer, 'data')
    expect(String(answer)).toBe('still here')
  })

  it.each([
    { to: '10.66.0.1', from: '203.0.113.7' },
    { to: 'fd66::1', from: 'fd99::7' }
  ])('takes the foreign source $from', async ({ to, from }) => {
    // What the capture rules arrange: answers to marked connections come back although the address is not ours.
    const family = net.isIPv6(to) ? '-6' : '-4'
    const routes = await run(pod, 'sh', [
      '-c',
      `ip ${family} rule add fwmark 0x111/0xfff lookup 100 && ip ${family} route add local default dev lo table 100
       sysctl -qw net.ipv4.conf.lo.rp_filter=0 net.ipv4.conf.all.rp_filter=0`
    ])
    expect(routes.stderr).toBe('')
    await using server = await serve({ mark: 0x111 })
    const warnings: NetnsError[] = []
    const socket = await connectTcp(
      pod,
      { ip: to, port: server.port },
      {
        from,
        mark: 0x111,
        timeout: 3000,
        onWarning: warning => warnings.push(warning)
      }
    )
    expect(warnings).toEqual([])
    expect(socket.localAddress).toBe(from)
    socket.destroy()
  })

  it('connects all the same, with a warning, when the source cannot be taken', async () => {
    await using server = await serve()
    const warnings: NetnsError[] = []
    const socket = await connectTcp(
      pod,
      { ip: '127.0.0.1', port: server.port },
      {
        from: 'fd66::9',
        onWarning: warning => warnings.push(warning)
      }
    )
    expect(warnings.map(String)).toEqual([expect.stringContaining("cannot take source address 'fd66::9': ")])
    socket.destroy()
  })

  it('gives up on refusal, time-out and abort, leaking nothing', async () => {
    const before = fs.readdirSync('/proc/self/fd').length
    await expect(connectTcp(pod, { ip: '127.0.0.1', port: 9 })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    // Nobody answers address resolution on the virtual link.
    const silent = { ip: '10.66.0.99', port: 9 }
    await expect(connectTcp(pod, silent, { timeout: 20 })).rejects.toMatchObject({ code: 'NETNS_CONNECT_TIMEOUT' })
    const abort = new AbortController()
    const connecting = connectTcp(pod, silent, { signal: abort.signal })
    abort.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'NETNS_ABORTED' })
    await expect(connectTcp(pod, silent, { signal: abort.signal })).rejects.toMatchObject({ code: 'NETNS_ABORTED' })
    await new Promise(resolve => setImmediate(resolve))
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before)
  })

  it.each([
    { tool: 'iptables-restore', to: '10.66.0.1', at: '::' },
    { tool: 'ip6tables-restore', to: 'fd66::1', at: '::' },
    { tool: 'iptables-restore', to: '10.66.0.1', at: '0.0.0.0' }
  ])('finds the original destination of a connection redirected by $tool to $at', async ({ tool, to, at }) => {
    await using server = await serve({ ip: at })
    const input = `*nat\n-F OUTPUT\n-A OUTPUT -p tcp --dport 4567 -j REDIRECT --to-ports ${server.port}\nCOMMIT\n`
    expect(await run(pod, tool, ['--noflush'], { input })).toMatchObject({ code: 0 })
    const socket = await connectTcp(pod, { ip: to, port: 4567 }, { timeout: 3000 })
    expect(originalDestination(await server.accepted)).toEqual({ ip: to, port: 4567 })
    socket.destroy()
    expect(originalDestination(socket)).toBeUndefined()
  })

  it('ends cleanly with sockets open in a worker thread', async () => {
    const file = JSON.stringify(new URL('./index.ts', import.meta.url).href)
    const code = `
      const n = await import(${file})
      const { parentPort } = await import('node:worker_threads')
      const pathname = '/tmp/culvert-worker-' + process.pid + '-' + Date.now() + '.sock'
      n.listenSeqpacket(pathname, { onConnection: () => {} })
      const socket = await n.connectSeqpacket(pathname)
      socket.receive({ maxBytes: 1, maxFds: 0 }).catch(() => {})
      parentPort.postMessage(pathname)`
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      execArgv: ['--conditions=source']
    })
    const [pathname] = await once(worker, 'message')
    expect(await worker.terminate()).toBe(1)
    fs.rmSync(pathname)
  })
})
