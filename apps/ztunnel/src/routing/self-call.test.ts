import { describe, expect, it } from 'vitest'
import { contextOf } from './context.test-helper.ts'
import { refuseInboundSelfCall, refuseOutboundSelfCall } from './self-call.ts'

describe('calls to the proxy itself', () => {
  it.each([
    ['127.0.0.1', 15001, true],
    ['127.9.9.9', 15008, true],
    ['::1', 15006, true],
    ['127.0.0.1', 8080, false],
    ['10.1.1.1', 15008, false]
  ])('outbound to %s:%s refused: %s', (ip, port, refused) => {
    const context = contextOf([])
    const found = refuseOutboundSelfCall(context, { ip, port })
    expect(found?.message).toBe(refused ? 'attempted recursive call to ourselves' : undefined)
    expect(refuseInboundSelfCall(context, { ip, port }) !== undefined).toBe(port !== 8080)
  })
})
