import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority, selfSignedRoot } from '@culvert/certificates'
import { encodeSecretValue, type KubernetesObject, type V1Secret } from '@culvert/kubernetes'
import { createCsr } from '@culvert/spiffe'
import { createLog, parseScopeLevels } from '@culvert/telemetry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuthorityState, limitDefaultTtl } from './authority-state.ts'
import { readPluggedInCa } from './plugged-in-ca.ts'
import { checkRotation } from './rotate.ts'
import { materialOfSecret, rotationStep } from './self-signed-ca.ts'

const year = 365 * 24 * 3600
const root = await selfSignedRoot({ organization: 'td', ttlSeconds: 10 * year })
const other = await selfSignedRoot({ organization: 'td', ttlSeconds: 10 * year })
const log = createLog({ style: 'go', json: false, filter: parseScopeLevels('none'), write: () => {} }).scope('ca')

describe('a plugged-in CA', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'culvert-ca-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const put = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  }
  const whole = {
    'ca-cert.pem': root.certificate,
    'ca-key.pem': root.key,
    'cert-chain.pem': root.certificate,
    'root-cert.pem': root.certificate + other.certificate
  }

  it('is none when no file is there', () => {
    expect(readPluggedInCa(directory)).toBeUndefined()
    expect(readPluggedInCa(join(directory, 'absent'))).toBeUndefined()
  })

  it('[identity-ca-17] with a part missing, the start fails and says which', () => {
    put({ 'ca-cert.pem': root.certificate, 'root-cert.pem': root.certificate })
    expect(() => readPluggedInCa(directory)).toThrow(
      `incomplete signing CA bundle detected in ${directory}: missing ca-key.pem, cert-chain.pem`
    )
  })

  it('a lone root bundle is a part too', () => {
    put({ 'root-cert.pem': root.certificate })
    expect(() => readPluggedInCa(directory)).toThrow('incomplete signing CA bundle')
  })

  it('reads Istio’s names, and a TLS Secret’s when tls.crt is there', () => {
    put(whole)
    expect(readPluggedInCa(directory)).toMatchObject({
      certificate: root.certificate,
      rootBundle: whole['root-cert.pem'],
      crl: ''
    })
    put({ 'tls.crt': other.certificate, 'tls.key': other.key, 'ca.crt': other.certificate })
    expect(readPluggedInCa(directory)).toMatchObject({
      certificate: other.certificate,
      chain: other.certificate + other.certificate
    })
  })

  it.each([
    ['another key', { 'ca-key.pem': other.key }, 'does not belong'],
    ['another root', { 'root-cert.pem': other.certificate, 'cert-chain.pem': other.certificate }, 'does not verify'],
    ['text that is no PEM', { 'ca-key.pem': 'x' }, 'cannot be parsed'],
    ['a revocation list that is none', { 'ca-crl.pem': 'x' }, 'cannot be parsed']
  ])('refuses %s', (_, files, reason) => {
    put({ ...whole, ...files })
    expect(() => readPluggedInCa(directory)).toThrow(reason)
  })

  it('refuses a leaf as signer', async () => {
    const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
    const { csr, privateKey } = await createCsr('spiffe://td/ns/a/sa/b')
    const [leaf = ''] = await authority.sign({ csr, sans: ['spiffe://td/ns/a/sa/b'], ttlSeconds: 60 })
    put({ ...whole, 'ca-cert.pem': leaf, 'ca-key.pem': privateKey })
    expect(() => readPluggedInCa(directory)).toThrow('is not a CA')
  })
})

it('cuts the default lifetime to what the chain has left, and refuses an expired one', async () => {
  const limits = { defaultTtlSeconds: 86_400, maxTtlSeconds: 86_400 }
  const begin = Date.now()
  const short = await selfSignedRoot({ organization: 'td', ttlSeconds: 3600, now: begin })
  const material = {
    certificate: short.certificate,
    key: short.key,
    chain: short.certificate,
    rootBundle: short.certificate,
    crl: ''
  }
  const cut = limitDefaultTtl(material, limits, begin).defaultTtlSeconds
  expect(cut).toBeGreaterThan(3590)
  expect(cut).toBeLessThanOrEqual(3600)
  expect(limitDefaultTtl({ ...material, chain: '' }, limits, begin)).toEqual(limits)
  expect(() => limitDefaultTtl(material, limits, begin + 3_700_000)).toThrow('has expired')
})

describe('rotation of the self-signed root', () => {
  const secretOf = ({ certificate, key }: typeof root): V1Secret => ({
    metadata: { namespace: 'istio-system', name: 'istio-ca-secret', resourceVersion: '7' },
    data: {
      'ca-cert.pem': encodeSecretValue(certificate),
      'ca-key.pem': encodeSecretValue(key),
      'root-cert.pem': encodeSecretValue(certificate)
    }
  })
  const now = Date.now()
  const options = { organization: 'td', ttlSeconds: 10 * year, gracePercent: 20, now }
  const left = async (percent: number) => {
    const ttlSeconds = 1000
    return secretOf(
      await selfSignedRoot({ organization: 'td', ttlSeconds, now: now - ttlSeconds * (100 - percent) * 10 })
    )
  }

  it('keeps a root with time left, loads one that another replica made', async () => {
    const fresh = secretOf(root)
    expect((await rotationStep(fresh, materialOfSecret(fresh), options)).kind).toBe('keep')
    expect((await rotationStep(fresh, materialOfSecret(secretOf(other)), options)).kind).toBe('load')
    expect((await rotationStep(await left(21), materialOfSecret(await left(21)), options)).kind).not.toBe('renew')
  })

  it('[identity-ca-18] with 19 % left a root of the same key and organization is stored, and old leaves verify', async () => {
    const old = await left(19)
    const state = await createAuthorityState(materialOfSecret(old), { defaultTtlSeconds: 60, maxTtlSeconds: 60 })
    const { csr } = await createCsr('spiffe://td/ns/a/sa/b')
    const [leaf = ''] = await state.authority.sign({ csr, sans: ['spiffe://td/ns/a/sa/b'], ttlSeconds: 60 })
    const published: string[] = []
    state.onChange(() => published.push(state.material.rootBundle))
    let stored: V1Secret | undefined
    await checkRotation({
      ...options,
      client: {
        get: async <T extends KubernetesObject>() => old as T,
        replace: async <T extends KubernetesObject>(_: unknown, object: T) => {
          stored = object as V1Secret
          return object
        }
      },
      namespace: 'istio-system',
      intervalSeconds: 1,
      jitter: false,
      state,
      clock: { now: () => now, after: () => () => {} },
      log,
      signal: new AbortController().signal
    })
    const renewed = new X509Certificate(Buffer.from(stored?.data?.['ca-cert.pem'] ?? '', 'base64'))
    const before = new X509Certificate(Buffer.from(old.data?.['ca-cert.pem'] ?? '', 'base64'))
    expect(renewed.subject).toBe(before.subject)
    expect(renewed.publicKey.equals(before.publicKey)).toBe(true)
    expect(renewed.validToDate.getTime()).toBeGreaterThan(now + 9 * year * 1000)
    expect(stored?.data?.['root-cert.pem']).toBe(old.data?.['root-cert.pem'])
    expect(stored?.metadata?.resourceVersion).toBe('7')
    expect(published).toEqual([renewed.toString()])
    expect(new X509Certificate(leaf).verify(renewed.publicKey)).toBe(true)
  })
})
