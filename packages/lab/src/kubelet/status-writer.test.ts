import { setImmediate } from 'node:timers/promises'
import { type KubernetesClient, KubernetesError, type V1Pod, type V1PodStatus } from '@culvert/kubernetes'
import { expect, it } from 'vitest'
import { createPodStatus } from './pod-status.ts'
import { createStatusWriter } from './status-writer.ts'

const pod = { metadata: { namespace: 'shop', name: 'till-0', uid: 'u1' } }

/** Answers patches one by one, as the test says. */
function fakeApi() {
  const patches: { status: V1PodStatus; metadata: unknown }[] = []
  let answer: () => Promise<unknown> = async () => undefined
  const patch = async (_resource: unknown, _ref: unknown, body: (typeof patches)[number], options: unknown) => {
    expect(options).toEqual({ type: 'merge', subresource: 'status' })
    patches.push(body)
    return answer()
  }
  const errors: unknown[] = []
  const stop = new AbortController()
  const writer = createStatusWriter({ patch } as unknown as KubernetesClient, pod, {
    signal: stop.signal,
    onError: error => errors.push(error)
  })
  return {
    patches,
    errors,
    writer,
    phases: () => patches.map(({ status }) => status.phase),
    answerWith: (next: typeof answer) => {
      answer = next
    }
  }
}

it('writes changes that come together once, for this very pod', async () => {
  const { patches, writer } = fakeApi()
  writer.set({ phase: 'Pending' })
  writer.set({ phase: 'Running' })
  await writer.settled()
  expect(patches).toEqual([{ metadata: { uid: 'u1' }, status: { phase: 'Running' } }])
})

it('writes what came while it was writing, leaving out what was overtaken', async () => {
  const { phases, writer, answerWith } = fakeApi()
  const first = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  answerWith(() => {
    begun.resolve()
    return first.promise
  })
  writer.set({ phase: 'Pending' })
  await begun.promise
  writer.set({ phase: 'Running' })
  writer.set({ phase: 'Succeeded' })
  first.resolve()
  await writer.settled()
  expect(phases()).toEqual(['Pending', 'Succeeded'])
})

it('does not repeat itself', async () => {
  const { phases, writer } = fakeApi()
  writer.set({ phase: 'Running' })
  await writer.settled()
  writer.set({ phase: 'Running' })
  await writer.settled()
  expect(phases()).toEqual(['Running'])
})

it('tries again when the API server has trouble', async () => {
  const { phases, errors, writer, answerWith } = fakeApi()
  answerWith(async () => {
    answerWith(async () => undefined)
    throw new KubernetesError('KUBERNETES_SERVER_ERROR', 'busy', { status: 503 })
  })
  writer.set({ phase: 'Running' })
  await writer.settled()
  expect(phases()).toEqual(['Running', 'Running'])
  expect(errors).toHaveLength(1)
})

it.each([404, 409])('gives up on a pod that is gone or replaced (%i)', async status => {
  const { phases, errors, writer, answerWith } = fakeApi()
  answerWith(async () => {
    throw new KubernetesError('KUBERNETES_NOT_FOUND', 'gone', { status })
  })
  writer.set({ phase: 'Running' })
  await writer.settled()
  writer.set({ phase: 'Succeeded' })
  await writer.settled()
  expect(phases()).toEqual(['Running'])
  expect(errors).toEqual([])
})

it('comes to rest although what it wrote is heard of late, and the clock goes on', async () => {
  const { patches, writer, answerWith } = fakeApi()
  const podStatus = createPodStatus()
  const startTime = new Date('2026-01-02T03:04:40Z')
  let now = new Date('2026-01-02T03:04:50Z')
  let known: V1Pod = { ...pod, spec: { containers: [{ name: 'main' }] } }
  const report = (sandboxReady: boolean): V1PodStatus => {
    const state = { records: [], addresses: [], hostIp: '10.0.0.1', startTime, sandboxReady }
    return podStatus(known, state, now)
  }
  known = { ...known, status: report(true) }
  answerWith(async () => {
    const { status } = patches.at(-1)!
    await setImmediate()
    void setImmediate().then(() => {
      known = { ...known, status }
      writer.set(report(false))
    })
  })
  now = new Date('2026-01-02T03:04:51Z')
  writer.set(report(false))
  await Promise.resolve()
  // The pod is heard of, as it was before that; a second has begun.
  now = new Date('2026-01-02T03:04:52Z')
  writer.set(report(false))
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  expect(patches).toHaveLength(1)
})
