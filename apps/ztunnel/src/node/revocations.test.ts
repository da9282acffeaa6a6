import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { createLog, parseLogFilter } from '@culvert/telemetry'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { followRevocations, revocationLists } from './revocations.ts'

const pem = (label: string, bytes: string): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${label}-----\n`
const texts = (lists: readonly Uint8Array[]): readonly string[] => lists.map(list => Buffer.from(list).toString())

describe('the file of revocation lists', () => {
  it.each([
    { content: '', lists: [] },
    { content: pem('X509 CRL', 'one') + pem('CERTIFICATE', 'leaf') + pem('X509 CRL', 'two'), lists: ['one', 'two'] },
    { content: pem('CERTIFICATE', 'leaf'), lists: [] },
    { content: '0\u0082der', lists: ['0\u0082der'] }
  ])('$content holds $lists', ({ content, lists }) => {
    expect(texts(revocationLists(Buffer.from(content)))).toEqual(lists)
  })
})

it.each([
  ['cut off', pem('X509 CRL', 'one') + pem('X509 CRL', 'two').slice(0, -10)],
  ['damaged', pem('X509 CRL', 'one').replace('\n', '\n*')]
])('a block that is %s is no list', (_, content) => {
  expect(() => revocationLists(Buffer.from(content))).toThrow('of X509 CRL has no end or is no base64')
})

describe('following', () => {
  it('applies what is there, what comes, and keeps it when the next cannot be used', async () => {
    using scene = follow()
    expect(await scene.next()).toEqual([])
    scene.replace(pem('X509 CRL', 'one'))
    expect(await scene.next()).toEqual(['one'])
    scene.replace('bad')
    await scene.line('revocation lists kept')
    scene.replace(pem('X509 CRL', 'two'))
    expect(await scene.next()).toEqual(['two'])
  })

  it('keeps what there was when the file goes', async () => {
    using scene = follow({ content: pem('X509 CRL', 'one') })
    expect(await scene.next()).toEqual(['one'])
    rmSync(scene.file)
    await scene.line('revocation lists kept')
    expect(scene.applied).toEqual([['one']])
  })

  it('says once that the file is gone, and nothing of one that never was there', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    using scene = follow()
    const complaints = (): number => scene.lines.filter(line => line.includes('it is not there any more')).length
    const noticed = async (change: () => void): Promise<number> => {
      change()
      while (vi.getTimerCount() === 0) await setImmediate()
      vi.runAllTimers()
      return complaints()
    }
    const other = path.join(path.dirname(scene.file), 'other')
    expect(await noticed(() => writeFileSync(other, ''))).toBe(0)
    expect(await noticed(() => scene.replace(pem('X509 CRL', 'one')))).toBe(0)
    expect(await noticed(() => rmSync(scene.file))).toBe(1)
    expect(await noticed(() => rmSync(other))).toBe(1)
  })

  it('waits for the directory too', async () => {
    using scene = follow({ directory: 'later' })
    expect(await scene.next()).toEqual([])
    mkdirSync(path.dirname(scene.file))
    scene.replace(pem('X509 CRL', 'one'))
    expect(await scene.next()).toEqual(['one'])
  })

  it('goes on when the directory is replaced', async () => {
    using scene = follow({ directory: 'replaced', content: pem('X509 CRL', 'one') })
    expect(await scene.next()).toEqual(['one'])
    for (const text of ['two', 'three']) {
      rmSync(path.dirname(scene.file), { recursive: true })
      mkdirSync(path.dirname(scene.file))
      scene.replace(pem('X509 CRL', text))
      expect(await scene.next()).toEqual([text])
    }
    scene.replace(pem('X509 CRL', 'four'))
    expect(await scene.next()).toEqual(['four'])
  })

  it('says why the directory cannot be followed, and goes on when it can', async () => {
    using scene = follow({ directory: 'loop', content: pem('X509 CRL', 'one') })
    expect(await scene.next()).toEqual(['one'])
    const directory = path.dirname(scene.file)
    rmSync(directory, { recursive: true })
    symlinkSync(directory, directory)
    await scene.line('revocation lists cannot be followed for now')
    rmSync(directory)
    mkdirSync(directory)
    scene.replace(pem('X509 CRL', 'two'))
    expect(await scene.next()).toEqual(['two'])
  })

  it('is off from the start when the file cannot be looked for', async () => {
    const root = mkdtempSync(path.join(tmpdir(), 'culvert-crl-'))
    symlinkSync('loop', path.join(root, 'loop'))
    using scene = follow({ at: path.join(root, 'loop', 'ca-crl.pem') })
    await scene.line('revocation is off')
    rmSync(root, { recursive: true })
    expect(scene.applied).toEqual([])
  })

  it('stays off when the first content cannot be used', async () => {
    using scene = follow({ content: 'bad' })
    await scene.line('revocation is off')
    scene.replace(pem('X509 CRL', 'one'))
    using other = follow({ at: scene.file })
    expect(await other.next()).toEqual(['one'])
    scene.replace(pem('X509 CRL', 'two'))
    expect(await other.next()).toEqual(['two'])
    expect(scene.applied).toEqual([])
  })
})

function follow({ directory = '', content, at }: { directory?: string; content?: string; at?: string } = {}) {
  const root = mkdtempSync(path.join(tmpdir(), 'culvert-crl-'))
  const file = at ?? path.join(root, directory, 'ca-crl.pem')
  const applied: (readonly string[])[] = []
  const lines: string[] = []
  let taken = 0
  let wake = Promise.withResolvers<void>()
  const changed = (): void => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  if (content !== undefined) {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  const log = createLog({
    style: 'ztunnel',
    json: false,
    filter: parseLogFilter('info'),
    write: line => {
      lines.push(line)
      changed()
    }
  })
  const stop = new AbortController()
  followRevocations({
    file,
    log: log.scope('crl'),
    signal: stop.signal,
    debounce: 1,
    revoke: lists => {
      if (texts(lists).includes('bad')) throw new Error('a revocation list cannot be parsed')
      // One change can show as several events.
      if (applied.length === 0 || texts(lists).join() !== applied.at(-1)?.join()) applied.push(texts(lists))
      changed()
    }
  })
  return {
    file,
    applied,
    lines,
    /** In one step, as volumes do. */
    replace: (text: string): void => {
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    },
    next: async (): Promise<readonly string[]> => {
      while (applied.length <= taken) await wake.promise
      return applied[taken++] ?? []
    },
    line: async (text: string): Promise<void> => {
      while (!lines.some(line => line.includes(text))) await wake.promise
    },
    [Symbol.dispose]: (): void => {
      stop.abort()
      rmSync(root, { recursive: true, force: true })
    }
  }
}
