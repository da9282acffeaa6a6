import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'
import { cases } from '../src/cases/index.ts'
import { runBench } from '../src/run-bench.ts'
import { readSettings } from '../src/settings.ts'

const known = cases.map(({ name }) => name)
const unsupported = labUnsupported() !== undefined

describe('the benchmark', () => {
  it.skipIf(unsupported)('measures ours beside no mesh, and writes what it found', { timeout: 120_000 }, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'culvert-bench-test-'))
    const file = (name: string): string => path.join(directory, name)
    const printed: string[] = []
    const output = { progress: () => {}, print: (text: string) => void printed.push(text) }
    const files = ['--json', file('out.json'), '--html', file('out.html')]
    const settings = readSettings(['handshakes', 'rps', 'updates', '--quick', '--direct', ...files], known)
    if (settings === 'help') throw new Error('nobody asked for help')
    try {
      const status = await runBench(settings, output, new AbortController().signal)
      const text = printed.join('\n')
      expect(status, text).toBe(0)
      expect(text).toMatch(/^64 connections, requests\/s +[\d ]+ +[\d ]+ +not measured +≥ 1.5$/m)
      expect(text).toMatch(/^new tunnels, 1\/s +[\d ]+ +– +not measured/m)
      expect(text).toContain('TLS openssl')
      const { samples, conditions } = JSON.parse(readFileSync(file('out.json'), 'utf8'))
      const found = samples.map((sample: { case: string; contender: string }) => `${sample.case} ${sample.contender}`)
      expect(found.sort()).toEqual(['handshakes ours', 'rps direct', 'rps ours', 'updates ours'])
      for (const { values } of samples) {
        for (const [name, value] of Object.entries(values)) {
          // A turn need not have waited for a processor.
          if (name.endsWith('-wait')) expect(value, name).toBeGreaterThanOrEqual(0)
          else expect(value, name).toBeGreaterThan(0)
        }
      }
      const { congestionControls } = conditions.contenders[0]
      expect(Object.keys(congestionControls)).toHaveLength(6)
      expect(readFileSync(file('out.html'), 'utf8')).toContain('64 connections')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
