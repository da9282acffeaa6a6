import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSignedRoot } from '@culvert/certificates'
import { createLog, parseScopeLevels } from '@culvert/telemetry'
import { expect, it } from 'vitest'
import { eventually } from '../../test/eventually.ts'
import { createAuthorityState } from './authority-state.ts'
import type { KeyMaterial } from './key-material.ts'
import { readPluggedInCa } from './plugged-in-ca.ts'
import { reloadStep, watchPluggedInCa } from './plugged-in-reload.ts'

const [a, b] = await Promise.all(['a', 'b'].map(organization => selfSignedRoot({ organization, ttlSeconds: 3600 })))
const material = (change: Partial<KeyMaterial> = {}): KeyMaterial => ({
  certificate: a!.certificate,
  key: a!.key,
  chain: a!.certificate,
  rootBundle: a!.certificate,
  crl: '',
  ...change
})
const both = a!.certificate + b!.certificate

it.each<[string, KeyMaterial | undefined, boolean, string]>([
  ['nothing changed', material(), false, 'keep'],
  ['the files are gone', undefined, true, 'refuse'],
  ['a chain changed', material({ chain: both }), false, 'replace'],
  ['roots in another order', material({ rootBundle: `\n${a!.certificate}` }), false, 'replace'],
  ['a root more', material({ rootBundle: both }), false, 'refuse'],
  ['a root more, where several are allowed', material({ rootBundle: both }), true, 'replace'],
  ['another root, even there', material({ rootBundle: b!.certificate }), true, 'refuse'],
  ['an emptied revocation list', material({ crl: ' ' }), false, 'keep']
])('%s', (_, found, multiRoot, expected) => {
  expect(reloadStep(material({ crl: '' }), found, multiRoot).kind).toBe(expected)
})

it('a revocation list stays in force when its file is emptied or deleted', () => {
  expect(reloadStep(material({ crl: 'list' }), material({ crl: '', chain: both }), false)).toMatchObject({
    kind: 'replace',
    material: { crl: 'list' }
  })
})

it('follows the files, several at once, and keeps what it has when they do not fit', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'culvert-reload-'))
  const stop = new AbortController()
  try {
    const put = (files: Record<string, string>) => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    }
    put({
      'ca-cert.pem': a!.certificate,
      'ca-key.pem': a!.key,
      'cert-chain.pem': a!.certificate,
      'root-cert.pem': both
    })
    const state = await createAuthorityState(readPluggedInCa(directory)!, { defaultTtlSeconds: 60, maxTtlSeconds: 60 })
    const lines: string[] = []
    const log = createLog({
      style: 'go',
      json: false,
      filter: parseScopeLevels('info'),
      write: line => lines.push(line)
    })
    watchPluggedInCa({ directory, state, multiRoot: false, log: log.scope('ca'), signal: stop.signal })
    put({ 'ca-key.pem': b!.key })
    await eventually(() => lines.join('')).toContain('kept the CA in force: the signing key')
    expect(state.material.key).toBe(a!.key)
    put({ 'ca-cert.pem': b!.certificate, 'cert-chain.pem': b!.certificate })
    await eventually(() => state.material.certificate).toBe(b!.certificate)
  } finally {
    stop.abort()
    rmSync(directory, { recursive: true })
  }
})
