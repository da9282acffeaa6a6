import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createNetns, type Netns, run, sameNetns } from '@culvert/netns'
import { notRoot, titled } from '@culvert/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { scanProc } from './scan-proc.ts'

const a = '4d0f1d5e-6f3a-4d2b-9a61-0c8f6f7f0a11'
const b = '4d0f1d5e-6f3a-4d2b-9a61-0c8f6f7f0a22'

describe.skipIf(notRoot)(titled("finding a pod's namespace by its processes"), () => {
  let proc: string
  let open: Netns[]
  beforeEach(() => {
    proc = mkdtempSync(path.join(os.tmpdir(), 'culvert-proc-'))
    open = []
  })
  afterEach(() => {
    for (const netns of open) netns.close()
    rmSync(proc, { recursive: true })
  })

  async function netnsWith(...ips: string[]): Promise<Netns> {
    const netns = createNetns()
    open.push(netns)
    const adds = ips.map(ip => `ip addr add ${ip} dev lo;`).join('')
    expect(await run(netns, 'sh', ['-c', `ip link set lo up; ${adds}`])).toMatchObject({ code: 0 })
    return netns
  }

  function process_(pid: number, netns: Netns, options: { uid?: string; start?: number; comm?: string } = {}): void {
    mkdirSync(`${proc}/${pid}/ns`, { recursive: true })
    symlinkSync(`/proc/${process.pid}/fd/${netns.fd}`, `${proc}/${pid}/ns/net`)
    const fields = Array.from({ length: 30 }, (_, index) => (index === 18 ? String(options.start ?? 500) : '0'))
    writeFileSync(`${proc}/${pid}/stat`, `${pid} (${options.comm ?? 'app'}) S ${fields.join(' ')}\n`)
    const cgroup = options.uid === undefined ? '0::/init.scope\n' : `0::/kubepods/besteffort/pod${options.uid}/c0ffee\n`
    writeFileSync(`${proc}/${pid}/cgroup`, cgroup)
  }

  const scan = (wanted: Record<string, string[]>): Map<string, Netns> => {
    const found = scanProc(
      proc,
      Object.entries(wanted).map(([uid, ips]) => ({ uid, ips }))
    )
    open.push(...found.values())
    return found
  }

  it('takes the oldest process whose namespace has one of the addresses (worked example 8.3)', async () => {
    process_(1, await netnsWith())
    const [own, third] = [await netnsWith('10.42.3.17/32'), await netnsWith('10.42.3.17/32')]
    process_(412, await netnsWith('10.42.3.99/32'), { uid: a, start: 900 })
    process_(77, own, { uid: a, start: 500 })
    process_(98, third, { uid: a, start: 700 })
    const found = scan({ [a]: ['10.42.3.17'], [b]: ['10.42.3.1'] })
    expect([...found.keys()]).toEqual([a])
    expect(sameNetns(found.get(a)!, own)).toBe(true)
  })

  it('leaves a namespace to its rightful owner after a process of another pod was seen in it', async () => {
    process_(1, await netnsWith())
    const ownOfB = await netnsWith('10.42.3.2/32')
    process_(10, ownOfB, { uid: a })
    process_(20, ownOfB, { uid: b })
    const found = scan({ [a]: ['10.42.3.1'], [b]: ['::ffff:10.42.3.2'] })
    expect([...found.keys()]).toEqual([b])
  })

  it("never takes the host's namespace, nor one of a pod without addresses", async () => {
    const host = await netnsWith('10.42.3.1/32')
    process_(1, host)
    process_(10, host, { uid: a })
    process_(20, await netnsWith('10.42.3.2/32'), { uid: b })
    expect(scan({ [a]: ['10.42.3.1'], [b]: [] }).size).toBe(0)
  })

  it('survives what /proc can look like', async () => {
    process_(1, await netnsWith())
    const own = await netnsWith('fd42::1/128')
    process_(20, own, { uid: a, comm: 'a) (b c' })
    mkdirSync(`${proc}/30`)
    mkdirSync(`${proc}/sys`)
    process_(40, own)
    expect([...scan({ [a]: ['fd42::1'] }).keys()]).toEqual([a])
  })
})
