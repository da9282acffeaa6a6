import { expect, it } from 'vitest'
import { addressTypeUrl, decodeDeltaRequest } from '../messages/discovery-codec.ts'
import { createSubscription } from './subscription.ts'

const opening = async (subscription: ReturnType<typeof createSubscription>): Promise<Record<string, string>> => {
  let versions: Readonly<Record<string, string>> | undefined
  await subscription.open({ id: 'n' }, request => {
    versions = decodeDeltaRequest(request).initialResourceVersions
  })
  return { ...versions }
}

it('names everything in its opening that was demanded before it is sent', async () => {
  const demanded: string[] = ['/10.0.0.1']
  let sent: Uint8Array | undefined
  const late: string[] = []
  const subscription = createSubscription({
    typeUrl: addressTypeUrl,
    handle: async () => [],
    demands: {
      demand: async () => undefined,
      settle: () => undefined,
      restart: () => undefined,
      unanswered: () => {
        // Whoever demands as soon as anybody else may run.
        queueMicrotask(() => (sent === undefined ? demanded : late).push('/10.0.0.2'))
        return [...demanded]
      }
    }
  })
  await subscription.open({ id: 'n' }, request => {
    sent = request
  })
  expect(Object.keys(decodeDeltaRequest(sent!).initialResourceVersions ?? {})).toEqual(demanded)
  expect(late).toEqual(['/10.0.0.2'])
})

it('claims no version of what a response named that was not applied to its end', async () => {
  let broken = false
  const subscription = createSubscription({
    typeUrl: addressTypeUrl,
    handle: async ({ resources, removed, onAccepted }) => {
      for (const resource of resources) if (!(resource instanceof Error)) onAccepted?.(resource)
      for (const _name of removed);
      if (broken) throw new Error('nothing of it is in force')
      return []
    }
  })
  const receive = (names: readonly string[], removed: readonly string[]) =>
    subscription.receive({
      typeUrl: addressTypeUrl,
      nonce: 'n',
      resourceCount: names.length,
      resources: () => names.map(name => ({ name, version: 'v' })),
      removed: () => removed
    })
  await receive(['untouched', 'changed', 'removed'], [])
  broken = true
  await expect(receive(['changed', 'new'], ['removed'])).rejects.toThrow('nothing of it is in force')
  expect(await opening(subscription)).toEqual({ untouched: 'v', changed: '', new: '', removed: '' })
  broken = false
  await receive(['changed', 'new'], ['removed'])
  expect(await opening(subscription)).toEqual({ untouched: 'v', changed: 'v', new: 'v' })
})
