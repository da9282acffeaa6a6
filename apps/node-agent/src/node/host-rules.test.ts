import { expect, it } from 'vitest'
import { IptablesError } from '@culvert/iptables'
import { createProbeSets, installHostRules, removeHostState } from './host-rules.ts'

function bench(backend: 'iptables' | 'nftables', failures: Record<string, number> = {}) {
  const calls: string[] = []
  const waits: number[] = []
  const warnings: string[] = []
  const call = (name: string) => async (): Promise<void> => {
    calls.push(name)
    if ((failures[name] ?? 0) > 0) {
      failures[name]!--
      throw new IptablesError('IPTABLES_NO_KUBELET', `${name} failed`)
    }
  }
  const capture = {
    backend,
    createHostRules: call('create'),
    deleteHostRules: call('delete'),
    probeAddresses: { create: call('create-sets'), flush: call('flush'), destroy: call('destroy') } as never
  }
  const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message) }
  const install = () =>
    installHostRules(capture, {
      log,
      signal: new AbortController().signal,
      wait: async milliseconds => void waits.push(milliseconds)
    })
  return { calls, waits, warnings, capture, log, install }
}

it('deletes old rules first with iptables only', async () => {
  const iptables = bench('iptables')
  await iptables.install()
  expect(iptables.calls).toEqual(['delete', 'create'])
  const nftables = bench('nftables')
  await nftables.install()
  expect(nftables.calls).toEqual(['create'])
})

it('[capture-23] gives up after eleven attempts, two seconds apart', async () => {
  const { install, calls, waits } = bench('nftables', { create: 99 })
  await expect(install()).rejects.toThrowError(expect.objectContaining({ code: 'AGENT_START' }))
  expect(calls).toHaveLength(11)
  expect(waits).toEqual(Array(10).fill(2000))
})

it('goes on once an attempt succeeds', async () => {
  const { install, calls } = bench('iptables', { create: 3 })
  await install()
  expect(calls.filter(name => name === 'create')).toHaveLength(4)
})

it('empties the sets at start: failing to make them is fatal, failing to empty them is not', async () => {
  const { capture, log, calls, warnings } = bench('iptables', { flush: 1 })
  await createProbeSets(capture, log)
  expect([calls, warnings.length]).toEqual([['create-sets', 'flush'], 1])
  const broken = bench('iptables', { 'create-sets': 1 })
  await expect(createProbeSets(broken.capture, log)).rejects.toThrowError()
})

it('takes everything away at the end, whatever fails', async () => {
  const { capture, log, calls } = bench('iptables', { delete: 1, flush: 1 })
  await removeHostState(capture, log)
  expect(calls).toEqual(['delete', 'flush', 'destroy'])
})
