import { expect, it } from 'vitest'
import { addressTypeUrl, decodeDeltaRequest } from '../messages/discovery-codec.ts'
import { createSubscription } from './subscription.ts'

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
