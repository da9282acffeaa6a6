import { expect, it } from 'vitest'
import { type ConnectionEntry, createLiveConnections } from './live-connections.ts'

it('shows connections of now, each described when its turn comes, and those alike once', () => {
  const live = createLiveConnections()
  const described: string[] = []
  const add = (id: number, src: string): void => {
    const entry = (): ConnectionEntry => {
      described.push(src)
      return { src, originalDst: null, actualDst: '10.0.0.9:80', protocol: 'HBONE' }
    }
    live.addInbound(id, { entry, judge: () => ({ allowed: true }), cut: () => {} })
  }
  add(1, '10.0.0.1:1')
  add(2, '10.0.0.2:2')
  add(3, '10.0.0.1:1')
  const entries = live.dump().inbound[Symbol.iterator]()
  expect(described).toEqual([])
  expect(entries.next().value?.src).toBe('10.0.0.1:1')
  expect(described).toHaveLength(1)
  live.remove(3)
  add(4, '10.0.0.4:4')
  expect(entries.next().value?.src).toBe('10.0.0.2:2')
  expect(entries.next()).toEqual({ done: false, value: undefined })
  expect(entries.next().done).toBe(true)
  expect([...live.dump().inbound].map(entry => entry?.src)).toEqual(['10.0.0.1:1', '10.0.0.2:2', '10.0.0.4:4'])
})
