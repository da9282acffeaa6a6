import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { KubernetesObject } from '@culvert/kubernetes'
import { notRoot, titled } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { type AgentBench, createAgentBench } from './agent-bench.ts'
import { ambientLabel, namespaceOf, podOf } from './objects.ts'

const uid = '4d0f1d5e-6f3a-4d2b-9a61-0c8f6f7f0a11'
const other = '4d0f1d5e-6f3a-4d2b-9a61-0c8f6f7f0a22'

const redirection = (object: KubernetesObject | undefined): string | undefined =>
  object?.metadata?.annotations?.['ambient.istio.io/redirection']
const enabled = (object: KubernetesObject | undefined): boolean => redirection(object) === 'enabled'
const pending = (object: KubernetesObject | undefined): boolean => redirection(object) === 'pending'
const out = (object: KubernetesObject | undefined): boolean => redirection(object) === undefined

async function probeSet(bench: AgentBench): Promise<string[]> {
  const saved = await bench.sh(bench.host, 'ipset save istio-inpod-probes-v4')
  return saved
    .split('\n')
    .filter(line => line.startsWith('add'))
    .map(line => line.replace('add istio-inpod-probes-v4 ', ''))
}

/** The agent is up when the plugin is installed: that comes last. */
const installed = (bench: AgentBench): Promise<void> =>
  bench.until('installed', () => bench.logged.some(line => line.includes('wrote CNI configuration')))

const addEvent = (path: string, ip: string) => ({
  Netns: path,
  PodName: 'till-0',
  PodNamespace: 'shop',
  IPs: [{ Interface: 2, Address: { IP: ip, Mask: '////AA==' }, Gateway: '' }]
})

describe.skipIf(notRoot)(titled('the node agent'), () => {
  it('[cni-29] enrols a new pod that the plugin tells of, once a ztunnel is there', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    const { netns, path: netnsPath } = await bench.pod('cni-1', '10.9.9.9')
    bench.start()
    await installed(bench)
    bench.api.set('pods', podOf('till-0', { uid }))
    await bench.until('the watch', () => bench.api.seen.filter(line => line === 'GET /api/v1/pods').length >= 2)

    const refused = await bench.cmdAdd(addEvent(netnsPath, '10.9.9.9'))
    expect(refused).toEqual({ status: 500, body: 'no ztunnel connection\n' })
    expect(pending(bench.api.get('pods', 'till-0'))).toBe(true)
    expect(await probeSet(bench)).toEqual([])
    // Fail closed: the rules are there already.
    expect(await bench.sh(netns, 'iptables-save')).toContain('--to-ports 15006')

    const { seen } = bench.ztunnel()
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    expect(await bench.cmdAdd(addEvent(netnsPath, '10.9.9.9'))).toEqual({ status: 200, body: '' })
    expect(seen).toEqual(['connected', `add ${uid} till-0`, 'snapshot sent', `add ${uid} till-0`])
    expect(enabled(bench.api.get('pods', 'till-0'))).toBe(true)
    expect(await probeSet(bench)).toEqual([`10.9.9.9 comment "${uid}"`])
  })

  it('refuses what it cannot enrol, and says why', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, labels: { 'istio.io/dataplane-mode': 'none' } }))
    const { path: netnsPath } = await bench.pod('cni-1', '10.9.9.9')
    const { seen } = bench.ztunnel()
    bench.start()
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    const event = addEvent(netnsPath, '10.9.9.9')
    expect((await bench.cmdAdd(event)).body).toContain('unexpectedly not eligible for ambient enrollment')
    expect(await bench.cmdAdd({ ...event, PodName: 'stranger' })).toMatchObject({ status: 500 })
    expect(await bench.cmdAdd({ ...event, IPs: 'all' })).toMatchObject({ status: 400 })
    bench.api.set('pods', podOf('till-0', { uid }))
    const ownNetns = await bench.cmdAdd({ ...event, Netns: '/proc/1/ns/net' })
    expect(ownNetns).toMatchObject({ status: 500 })
    expect(ownNetns.body).toContain("node's own network namespace")
    expect(seen.filter(line => line.startsWith('add'))).toEqual([])
  })

  it('[cni-25] rules that cannot be made: 500, no annotation, nothing told to ztunnel', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    const annotations = { 'istio.io/reroute-virtual-interfaces': 'much-too-long-for-an-interface' }
    bench.api.set('pods', podOf('till-0', { uid, annotations }))
    const { path: netnsPath } = await bench.pod('cni-1', '10.9.9.9')
    const { seen } = bench.ztunnel()
    bench.start()
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    const answer = await bench.cmdAdd(addEvent(netnsPath, '10.9.9.9'))
    expect(answer.status).toBe(500)
    expect(answer.body).toContain('iptables-nft-restore')
    expect(seen).toEqual(['connected', 'snapshot sent'])
    expect(out(bench.api.get('pods', 'till-0'))).toBe(true)
    expect(await probeSet(bench)).toEqual([])
  })

  it('a running pod joins by its namespace label and leaves with it', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop'))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'] }))
    const { netns } = await bench.pod('cni-1', '10.9.9.9')
    const stranger = await bench.pod('cni-2', '10.9.9.10')
    // A process of the pod that is, for now, in another pod's namespace must not mislead.
    bench.process(412, uid, stranger.netns)
    bench.process(77, uid, netns)
    const { seen } = bench.ztunnel()
    bench.start()
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    await bench.api.until('pods', 'till-0', enabled)
    expect(seen.at(-1)).toBe(`add ${uid} till-0`)
    expect(await probeSet(bench)).toEqual([`10.9.9.9 comment "${uid}"`])
    expect(await bench.sh(netns, 'iptables-save; ip rule')).toMatch(/15001.*fwmark 0x111/s)
    expect(await bench.sh(stranger.netns, 'iptables-save')).not.toContain('ISTIO')

    bench.api.set('namespaces', namespaceOf('shop'))
    await bench.api.until('pods', 'till-0', out)
    expect(seen.at(-1)).toBe(`delete ${uid}`)
    expect(await probeSet(bench)).toEqual([])
    expect(await bench.sh(netns, 'iptables-save; ip rule; ip route show table all')).not.toMatch(
      /ISTIO|0x111|table 100/
    )
  })

  it('[cni-26] [zds-26] pending while there is no ztunnel, enabled after one acknowledged', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'] }))
    bench.process(77, uid, (await bench.pod('cni-1', '10.9.9.9')).netns)
    bench.start()
    await bench.api.until('pods', 'till-0', pending)
    await bench.until('two retries', () => bench.logged.filter(line => line.includes('is tried again')).length >= 2)
    const { seen } = bench.ztunnel()
    await bench.api.until('pods', 'till-0', enabled)
    expect(seen).toContain(`add ${uid} till-0`)
    expect(await probeSet(bench)).toEqual([`10.9.9.9 comment "${uid}"`])
  })

  it('[zds-26] a removal succeeds without a ztunnel', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'], redirection: 'enabled' }))
    bench.process(77, uid, (await bench.pod('cni-1', '10.9.9.9')).netns)
    bench.start()
    await bench.until('taken over', () => bench.logged.some(line => line.includes('took over 1 enrolled')))
    bench.api.set('namespaces', namespaceOf('shop'))
    await bench.api.until('pods', 'till-0', out)
  })

  it('[zds-27] a ztunnel that refuses a pod is asked again over the same connection', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop'))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'] }))
    bench.process(77, uid, (await bench.pod('cni-1', '10.9.9.9')).netns)
    let refusals = 2
    const { seen } = bench.ztunnel({ refuse: () => (refusals-- > 0 ? new Error('no room') : undefined) })
    bench.start()
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    const states: (string | undefined)[] = []
    const watching = bench.api.until('pods', 'till-0', object => {
      states.push(redirection(object))
      return enabled(object)
    })
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    await watching
    expect(states).toContain('pending')
    expect(seen).toEqual(['connected', 'snapshot sent', ...Array(3).fill(`add ${uid} till-0`)])
  })

  it('a new agent takes over: namespaces of running pods, keep for the rest, wrong rules repaired, old addresses gone', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'], redirection: 'enabled' }))
    bench.api.set('pods', podOf('till-1', { uid: other, ips: ['10.9.9.10'], redirection: 'enabled' }))
    const { netns } = await bench.pod('cni-1', '10.9.9.9')
    bench.process(77, uid, netns)
    await bench.sh(netns, 'iptables -t nat -N ISTIO_OLD; iptables -t nat -A OUTPUT -j ISTIO_OLD')
    await bench.sh(
      bench.host,
      'ipset create istio-inpod-probes-v4 hash:ip comment; ipset add istio-inpod-probes-v4 10.1.1.1'
    )
    const { seen } = bench.ztunnel()
    bench.start({ reconcileOnStartup: true })
    await bench.until('the snapshot', () => seen.includes('snapshot sent'))
    expect(seen.toSorted()).toEqual([`add ${uid} till-0`, 'connected', `keep ${other}`, 'snapshot sent'])
    expect((await probeSet(bench)).toSorted()).toEqual([`10.9.9.10 comment "${other}"`, `10.9.9.9 comment "${uid}"`])
    const rules = await bench.sh(netns, 'iptables-save')
    expect(rules).toContain('--to-ports 15001')
    expect(rules).not.toMatch(/ISTIO_OLD|DROP/)
  })

  const onNode = async (bench: AgentBench) => ({
    config: readFileSync(path.join(bench.dir, 'net.d/10-lab.conflist'), 'utf8').includes('istio-cni'),
    kubeconfig: existsSync(path.join(bench.dir, 'run/istio-cni-kubeconfig')),
    binary: existsSync(path.join(bench.dir, 'bin/istio-cni')),
    hostRules: (await bench.sh(bench.host, 'iptables-save')).includes('ISTIO_POSTRT'),
    hostSet: (await bench.sh(bench.host, 'ipset list -name')).includes('istio-inpod-probes-v4')
  })
  const everything = { config: true, kubeconfig: true, binary: true, hostRules: true, hostSet: true }
  const nothing = { config: false, kubeconfig: false, binary: false, hostRules: false, hostSet: false }

  it.each([
    { name: 'with the DaemonSet there everything stays', daemonSet: true, left: everything },
    { name: 'without it the node is cleaned, pods are not', daemonSet: false, left: nothing }
  ])('[cni-22] $name', async ({ daemonSet, left }) => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'] }))
    const { netns } = await bench.pod('cni-1', '10.9.9.9')
    bench.process(77, uid, netns)
    bench.ztunnel()
    const agent = bench.start()
    await bench.api.until('pods', 'till-0', enabled)
    await installed(bench)
    expect(await onNode(bench)).toEqual(everything)
    if (!daemonSet) bench.api.remove('daemonsets', { metadata: { name: 'istio-cni-node' } })
    await agent.stop()
    expect(await onNode(bench)).toEqual(left)
    expect(existsSync(path.join(bench.dir, 'run/pluginevent.sock'))).toBe(false)
    expect(existsSync(path.join(bench.dir, 'ztunnel.sock'))).toBe(false)
    expect(enabled(bench.api.get('pods', 'till-0'))).toBe(true)
    expect(await bench.sh(netns, 'iptables-save')).toContain('ISTIO_OUTPUT')
  })

  it('works through native nftables', async () => {
    await using bench = await createAgentBench()
    bench.api.set('namespaces', namespaceOf('shop', ambientLabel))
    bench.api.set('pods', podOf('till-0', { uid, ips: ['10.9.9.9'] }))
    const { netns } = await bench.pod('cni-1', '10.9.9.9')
    bench.process(77, uid, netns)
    bench.kubelet(0)
    bench.ztunnel()
    bench.start({ nativeNftables: true })
    await bench.api.until('pods', 'till-0', enabled)
    expect(await bench.sh(netns, 'nft list ruleset')).toContain('table inet istio-ambient-raw')
    const host = await bench.sh(bench.host, 'nft list ruleset')
    expect(host).toContain(`10.9.9.9 comment "${uid}"`)
    expect(host).toContain('snat ip to 169.254.7.127')
    bench.api.set('namespaces', namespaceOf('shop'))
    await bench.api.until('pods', 'till-0', out)
    expect(await bench.sh(netns, 'nft list ruleset')).toBe('')
    expect(await bench.sh(bench.host, 'nft list ruleset')).not.toContain('10.9.9.9')
  })

  it('cannot start without the host namespace, and leaves nothing behind', async () => {
    await using bench = await createAgentBench()
    const agent = bench.start({ hostRoot: path.join(bench.dir, 'nowhere') })
    await expect(agent.done).rejects.toThrowError(/cannot reach the node's network namespace/)
    expect(existsSync(path.join(bench.dir, 'run/log.sock'))).toBe(false)
  })
})
