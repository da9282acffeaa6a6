import { expect, it } from 'vitest'
import { createBaggageReader } from './believed-baggage.ts'

it('believes so many descriptions and no more, the known ones for ever', () => {
  const read = createBaggageReader(2)
  expect(read(['service.name=a']).serviceName).toBe('a')
  expect(read(['service.name=b']).serviceName).toBe('b')
  expect(read(['service.name=c'])).toEqual({})
  expect(read(['service.name=a']).serviceName).toBe('a')
})

it('believes no value longer than any name may be', () => {
  const read = createBaggageReader()
  expect(read([`service.name=${'a'.repeat(253)}`]).serviceName).toHaveLength(253)
  expect(read([`service.name=${'a'.repeat(254)},k8s.namespace.name=shop`])).toEqual({})
})
