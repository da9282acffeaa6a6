import type { NativeEngine } from '@culvert/native-tunnel'
import { describe, expect, it, vi } from 'vitest'
import type { CapturedConnection, ConnectionDecision, PodHandler } from './data-path.ts'
import type { TunnelLog } from './log.ts'
import { NativeCredentials } from './native-credentials.ts'
import { NativePod } from './native-pod.ts'

const profile = { tls12: false, postQuantumOnly: false }

/** A pod whose engine and handler only note what they are told. */
function scene(decide: (connection: CapturedConnection) => Promise<ConnectionDecision>) {
  const handler = {
    connection: decide,
    progress: vi.fn<PodHandler['progress']>(),
    closed: vi.fn<PodHandler['closed']>()
  }
  const engine = { refuse: vi.fn<NativeEngine['refuse']>() }
  const warn = vi.fn<TunnelLog['warn']>()
  const pod = new NativePod({
    id: 7,
    listeners: [],
    originalSource: false,
    handler: handler as unknown as PodHandler,
    log: { warn, debug: () => {} },
    commands: () => engine as unknown as NativeEngine,
    credentials: new NativeCredentials(() => expect.unreachable(), profile)
  })
  return { pod, handler, engine, warn }
}

describe('a handler that fails', () => {
  const fail = Promise.withResolvers<never>()

  it('has the outcome of a connection that went before', async () => {
    const { pod, handler, engine } = scene(() => fail.promise)
    pod.connection(1, 'outbound', '10.0.0.1', 1234, '10.0.0.2', 80)
    pod.closed(1, 0, 0, 0, 0, 5, 'CUT')
    expect(handler.closed).not.toHaveBeenCalled()
    fail.reject(new Error('no route table'))
    await vi.waitFor(() => expect(handler.closed).toHaveBeenCalledOnce())
    expect(handler.closed.mock.calls[0]?.[0]).toMatchObject({ id: 1, failure: { code: 'CUT' } })
    expect(engine.refuse).not.toHaveBeenCalled()
  })

  // A rejection that nobody takes ends the process, and this test.
  it('fails at an outcome too, and is told of in the log', async () => {
    const decision = Promise.withResolvers<ConnectionDecision>()
    const { pod, handler, warn } = scene(() => decision.promise)
    handler.closed.mockImplementation(() => {
      throw new Error('no series')
    })
    pod.connection(1, 'outbound', '10.0.0.1', 1234, '10.0.0.2', 80)
    pod.closed(1, 0, 0, 0, 0, 5, 'CUT')
    decision.resolve({ kind: 'refuse' })
    await vi.waitFor(() => expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('no series')))
  })

  it('ends a connection that waits', async () => {
    const { pod, engine } = scene(() => Promise.reject(new Error('no route table')))
    pod.connection(2, 'outbound', '10.0.0.1', 1234, '10.0.0.2', 80)
    await vi.waitFor(() => expect(engine.refuse).toHaveBeenCalledExactlyOnceWith(7, 2, 'IO', 'no route table'))
  })
})

it('tells the last progress before the outcome, and none where all was told', () => {
  const { pod, handler } = scene(() => expect.unreachable())
  pod.closed(3, 10, 20, 4, 0, 5)
  expect(handler.progress).toHaveBeenCalledExactlyOnceWith([{ id: 3, fromClient: 4, toClient: 0 }])
  expect(handler.closed).toHaveBeenCalledExactlyOnceWith({ id: 3, fromClient: 10, toClient: 20, duration: 5 })
  expect(handler.progress).toHaveBeenCalledBefore(handler.closed)
  pod.closed(4, 10, 20, 0, 0, 5)
  expect(handler.progress).toHaveBeenCalledOnce()
})
