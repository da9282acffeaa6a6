import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkedItemPath, type Payload, writePayload } from './payload-directory.ts'

const payload = (files: Record<string, string>): Payload =>
  new Map(Object.entries(files).map(([name, text]) => [name, { data: Buffer.from(text), mode: 0o640 }]))

describe('writePayload', () => {
  let directory: string
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'payload-'))
  })
  afterEach(() => fs.rmSync(directory, { recursive: true }))

  const read = (name: string): string => fs.readFileSync(path.join(directory, name), 'utf8')

  it('shows files through one link, with their modes', () => {
    writePayload(directory, payload({ token: 'one', 'deep/er/file': 'two' }))
    expect(read('token')).toBe('one')
    expect(read('deep/er/file')).toBe('two')
    expect(fs.readlinkSync(path.join(directory, 'token'))).toBe('..data/token')
    expect(fs.statSync(path.join(directory, 'token')).mode & 0o777).toBe(0o640)
  })

  it('replaces all files at once and removes the old ones', () => {
    writePayload(directory, payload({ a: '1', b: '1' }))
    const before = fs.readlinkSync(path.join(directory, '..data'))
    writePayload(directory, payload({ a: '2', c: '2' }))
    expect(fs.readlinkSync(path.join(directory, '..data'))).not.toBe(before)
    expect(read('a')).toBe('2')
    expect(fs.readdirSync(directory).filter(name => !name.startsWith('..'))).toEqual(['a', 'c'])
    expect(fs.existsSync(path.join(directory, before))).toBe(false)
  })

  it('leaves an unchanged payload alone', () => {
    writePayload(directory, payload({ a: '1' }))
    const before = fs.readlinkSync(path.join(directory, '..data'))
    writePayload(directory, payload({ a: '1' }))
    expect(fs.readlinkSync(path.join(directory, '..data'))).toBe(before)
  })

  it('holds nothing for an empty payload', () => {
    writePayload(directory, payload({ a: '1' }))
    writePayload(directory, payload({}))
    expect(fs.readdirSync(directory).filter(name => !name.startsWith('..'))).toEqual([])
  })
})

it.each(['/etc/passwd', '../x', 'a/../../x', '..data', ''])('refuses item path %j', file => {
  expect(() => checkedItemPath(file)).toThrow('must be relative and stay inside its volume')
})
