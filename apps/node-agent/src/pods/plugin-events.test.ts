import { expect, it } from 'vitest'
import { ambientLabel, chartSelectors, namespaceOf, podOf } from '../../test/objects.ts'
import { createPluginEventHandler } from './plugin-events.ts'

const event = { netns: '/var/run/netns/cni-1', podName: 'till-0', podNamespace: 'shop', ips: ['10.9.9.9'] }

function handler(options: { pod?: ReturnType<typeof podOf>; appearsAt?: number; labels?: Record<string, string> }) {
  const added: unknown[] = []
  const waits: number[] = []
  const handle = createPluginEventHandler({
    pods: { get: () => (waits.length >= (options.appearsAt ?? 0) ? options.pod : undefined) },
    namespaces: { get: () => namespaceOf('shop', options.labels ?? ambientLabel) },
    selectors: chartSelectors,
    enrolment: { add: async (pod, ips, how) => void added.push([pod.metadata?.name, ips, how?.netnsPath]) },
    wait: async milliseconds => void waits.push(milliseconds)
  })
  return { added, waits, handle: () => handle(event, new AbortController().signal) }
}

it("enrols with the event's addresses and namespace, whatever the status says", async () => {
  const { handle, added } = handler({ pod: podOf('till-0') })
  await handle()
  expect(added).toEqual([['till-0', ['10.9.9.9'], '/var/run/netns/cni-1']])
})

it('waits for a watch that is behind', async () => {
  const { handle, added, waits } = handler({ pod: podOf('till-0'), appearsAt: 7 })
  await handle()
  expect([added.length, waits]).toEqual([1, Array(7).fill(10)])
})

it('gives up after ten more looks', async () => {
  const { handle, added, waits } = handler({})
  await expect(handle()).rejects.toThrowError(expect.objectContaining({ code: 'AGENT_UNKNOWN_POD' }))
  expect([added.length, waits.length]).toEqual([0, 10])
})

it('refuses a pod that is not eligible', async () => {
  const { handle, added } = handler({ pod: podOf('till-0'), labels: {} })
  await expect(handle()).rejects.toThrowError('is unexpectedly not eligible for ambient enrollment')
  expect(added).toEqual([])
})
