import { expect, it } from 'vitest'
import { parseHandshakes } from './tls-handshakes.ts'

it('reads what the load program wrote', () => {
  const written = '{"handshakes":2034,"microseconds":1000121,"p50":7650,"p99":12044}\n'
  expect(parseHandshakes(written)).toEqual({ handshakes: 2034, microseconds: 1000121, p50: 7650, p99: 12044 })
})

it('refuses a run without any', () => {
  expect(() => parseHandshakes('{"handshakes":0,"microseconds":1000000}')).toThrow('not one handshake')
})
