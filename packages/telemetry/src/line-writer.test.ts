import { setImmediate } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createLineWriter } from './index.ts'

it('writes the lines of one turn at once, in order, and the rest on demand', async () => {
  const written: string[] = []
  const writer = createLineWriter(text => written.push(text))
  writer.write('a\n')
  writer.write('b\n')
  expect(written).toEqual([])
  await setImmediate()
  expect(written).toEqual(['a\nb\n'])
  writer.write('c\n')
  writer.flush()
  writer.flush()
  expect(written).toEqual(['a\nb\n', 'c\n'])
})

it('joins the lines of several turns while they keep coming', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const written: string[] = []
  const writer = createLineWriter(text => written.push(text))
  writer.write('a\n')
  vi.advanceTimersByTime(1)
  expect(written).toEqual(['a\n'])
  writer.write('b\n')
  vi.advanceTimersByTime(3)
  writer.write('c\n')
  expect(written).toEqual(['a\n'])
  vi.advanceTimersByTime(2)
  expect(written).toEqual(['a\n', 'b\nc\n'])
})

it('never holds 10,000 lines, and loses none', () => {
  const written: string[] = []
  const writer = createLineWriter(text => written.push(text))
  const lines = Array.from({ length: 25_000 }, (_, i) => `${i}\n`)
  for (const line of lines) writer.write(line)
  expect(written.map(text => text.split('\n').length - 1)).toEqual([10_000, 10_000])
  writer.flush()
  expect(written.join('')).toBe(lines.join(''))
})
