import { notRoot, titled } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { noOverrides } from '../src/index.ts'
import { capturing, createBench } from './bench.ts'

const state = `iptables-save; ip6tables-save; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all`

/** Rules without comments, counters and the tables that merely exist. */
function rulesOf(saved: string): string[] {
  return saved.split('\n').filter(line => /^(-A|:ISTIO)/.test(line) || /0x111|table 100/.test(line))
}

describe.skipIf(notRoot)(titled('rules in a pod, iptables'), () => {
  it('[capture-12] only reads and checks where everything is as planned', async () => {
    await using bench = await createBench()
    const { capture, ran } = await capturing('iptables', { host: bench.peer, ipv6: true })
    await capture.createPodRules(bench.pod, noOverrides)
    expect(ran.filter(line => line.includes('-restore'))).toHaveLength(2)
    const before = await bench.sh(bench.pod, state)
    ran.length = 0
    await capture.createPodRules(bench.pod, noOverrides)
    const tables = ran.filter(line => line.includes('tables'))
    expect(tables.filter(line => line.endsWith('-save'))).toHaveLength(2)
    expect(tables.filter(line => / -C /.test(line)).length).toBeGreaterThan(30)
    expect(tables.filter(line => !line.endsWith('-save') && !/ -C /.test(line))).toEqual([])
    expect(rulesOf(await bench.sh(bench.pod, state))).toEqual(rulesOf(before))
  })

  it('[capture-13] an extra rule: final failure without reconcile, repaired with it', async () => {
    await using bench = await createBench()
    const { capture, warnings } = await capturing('iptables', { host: bench.peer })
    await capture.createPodRules(bench.pod, noOverrides)
    const planned = rulesOf(await bench.sh(bench.pod, state))
    await bench.sh(bench.pod, 'iptables -t nat -A ISTIO_OUTPUT -p tcp --dport 9999 -j RETURN')
    await expect(capture.createPodRules(bench.pod, noOverrides)).rejects.toThrowError(
      expect.objectContaining({ code: 'IPTABLES_COMMAND_FAILED' })
    )
    expect(warnings.join()).toContain('has other rules already')
    const repairing = await capturing('iptables', { host: bench.peer, reconcile: true })
    await repairing.capture.createPodRules(bench.pod, noOverrides)
    const after = rulesOf(await bench.sh(bench.pod, state))
    expect(after.toSorted()).toEqual(planned.toSorted())
    expect(after.join()).not.toContain('DROP')
    expect(repairing.ran.filter(line => line.includes('-I OUTPUT 1 -p udp -j DROP'))).toHaveLength(1)
  })

  it('[capture-14] reconciling removes chains of older versions', async () => {
    await using bench = await createBench()
    const { capture } = await capturing('iptables', { host: bench.peer, reconcile: true })
    await capture.createPodRules(bench.pod, noOverrides)
    const planned = rulesOf(await bench.sh(bench.pod, state))
    await bench.sh(
      bench.pod,
      'iptables -t nat -N ISTIO_OLD; iptables -t nat -A OUTPUT -m comment --comment "an old jump" -j ISTIO_OLD'
    )
    await capture.createPodRules(bench.pod, noOverrides)
    expect(rulesOf(await bench.sh(bench.pod, state)).toSorted()).toEqual(planned.toSorted())
  })

  it('[capture-15] un-enrolling leaves nothing of ours and everything foreign', async () => {
    await using bench = await createBench()
    const { capture, warnings } = await capturing('iptables', { host: bench.peer, ipv6: true })
    await bench.sh(bench.pod, 'iptables -t nat -A OUTPUT -p tcp --dport 9 -j RETURN; ip rule add fwmark 7 lookup 101')
    await capture.createPodRules(bench.pod, noOverrides)
    expect((await bench.sh(bench.pod, state)).match(/ISTIO/g)?.length).toBeGreaterThan(40)
    await capture.deletePodRules(bench.pod)
    const after = await bench.sh(bench.pod, state)
    expect(rulesOf(after)).toEqual(['-A OUTPUT -p tcp -m tcp --dport 9 -j RETURN'])
    expect(after).toContain('fwmark 0x7 lookup 101')
    expect(after).not.toMatch(/32764|ISTIO/)
    expect(warnings.join()).not.toContain('one by one')
    // Absence of route and policy rule is an error.
    await expect(capture.deletePodRules(bench.pod)).rejects.toThrowError(/ip -4 -force -batch/)
  })

  it('un-enrols one by one where a foreign rule jumps into our chain', async () => {
    await using bench = await createBench()
    const { capture, warnings } = await capturing('iptables', { host: bench.peer })
    await capture.createPodRules(bench.pod, noOverrides)
    await bench.sh(bench.pod, 'iptables -t nat -A OUTPUT -p tcp --dport 9 -j ISTIO_OUTPUT')
    await capture.deletePodRules(bench.pod)
    expect(warnings.join()).toContain('one by one')
    expect(rulesOf(await bench.sh(bench.pod, state))).toEqual([
      ':ISTIO_OUTPUT - [0:0]',
      '-A OUTPUT -p tcp -m tcp --dport 9 -j ISTIO_OUTPUT'
    ])
  })

  it.each([
    { disabled: 1, routes: 0 },
    { disabled: 0, routes: 1 }
  ])('[capture-11] disable_ipv6 of lo = $disabled: $routes IPv6 routes, no error', async ({ disabled, routes }) => {
    await using bench = await createBench()
    await bench.sh(bench.pod, `echo ${disabled} > /proc/sys/net/ipv6/conf/lo/disable_ipv6`)
    const { capture } = await capturing('iptables', { host: bench.peer, ipv6: true })
    await capture.createPodRules(bench.pod, noOverrides)
    const listed = await bench.sh(bench.pod, 'ip -6 route show table all')
    expect(listed.split('\n').filter(line => line.includes('table 100'))).toHaveLength(routes)
    await capture.deletePodRules(bench.pod)
  })

  it('refuses an interface name before anything is asked of iptables', async () => {
    await using bench = await createBench()
    const { capture, ran } = await capturing('iptables', { host: bench.peer })
    const overrides = { bypassInbound: false, virtualInterfaces: ['a b'] }
    await expect(capture.createPodRules(bench.pod, overrides)).rejects.toThrowError(/"a b"/)
    expect(ran).toEqual([])
  })

  it('needs four processes for a clean pod', async () => {
    await using bench = await createBench()
    const { capture, ran } = await capturing('iptables', { host: bench.peer })
    await capture.createPodRules(bench.pod, noOverrides)
    // Time depends on the machine, the number of processes does not.
    expect(ran).toEqual([
      'ip -4 -force -batch -',
      'iptables-nft-save',
      'ip6tables-nft-save',
      'iptables-nft-restore --noflush -v'
    ])
  })
})

describe.skipIf(notRoot)(titled('rules in a pod, nftables'), () => {
  it('[capture-18] repeats to the same ruleset and deletes all of it', async () => {
    await using bench = await createBench()
    const { capture, warnings } = await capturing('nftables', { host: bench.peer, ipv6: true })
    await capture.createPodRules(bench.pod, noOverrides)
    const first = await bench.sh(bench.pod, 'nft list ruleset')
    expect(first.match(/^table .*/gm)?.toSorted()).toEqual([
      'table inet istio-ambient-mangle {',
      'table inet istio-ambient-nat {',
      'table inet istio-ambient-raw {'
    ])
    await capture.createPodRules(bench.pod, noOverrides)
    expect(await bench.sh(bench.pod, 'nft list ruleset')).toBe(first)
    await capture.deletePodRules(bench.pod)
    expect(await bench.sh(bench.pod, 'nft list ruleset')).toBe('')
    // Only route and rule are missed: the transaction itself does not fail where no table is.
    await expect(capture.deletePodRules(bench.pod)).rejects.toThrowError(/ip -[46] -force -batch/)
    expect(warnings).toEqual([])
  })

  it('refuses a virtual interface the kernel cannot have', async () => {
    await using bench = await createBench()
    const { capture } = await capturing('nftables', { host: bench.peer })
    const overrides = { bypassInbound: false, virtualInterfaces: ['much-too-long-for-an-interface'] }
    await expect(capture.createPodRules(bench.pod, overrides)).rejects.toThrowError(/nft/)
    expect(await bench.sh(bench.pod, 'nft list ruleset')).toBe('')
  })
})
