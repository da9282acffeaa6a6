import { expect, it } from 'vitest'
import { parseWatchEvent } from './watch.ts'

it.each([
  'nonsense',
  'null',
  '7',
  '{}',
  '{"type":"ADDED"}',
  '{"type":"ADDED","object":null}',
  '{"type":"X","object":{}}'
])('takes no event from %s', line => {
  expect(() => parseWatchEvent(line)).toThrow(expect.objectContaining({ code: 'KUBERNETES_BAD_RESPONSE' }))
})

it.each([
  {
    object: { code: 410, reason: 'Expired', message: 'too old' },
    code: 'KUBERNETES_GONE',
    message: 'watch: 410 too old'
  },
  { object: null, code: 'KUBERNETES_SERVER_ERROR', message: 'watch: 500 without a message' }
])('throws the error that the server sends: $message', ({ object, code, message }) => {
  const line = JSON.stringify({ type: 'ERROR', object })
  expect(() => parseWatchEvent(line)).toThrow(expect.objectContaining({ code, message }))
})
