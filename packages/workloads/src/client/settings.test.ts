import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { pauseAfter, type StreamEnd } from './backoff.ts'
import { discoveryTarget } from './connection.ts'
import { rootsFrom, tokenFrom } from './credential-files.ts'
import { discoveryNode } from './node.ts'

const setupError = (message: RegExp) =>
  expect.objectContaining({ code: 'WORKLOADS_DISCOVERY_SETUP', message: expect.stringMatching(message) })

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'culvert-workloads-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

describe('who we are', () => {
  it('lets later sources of metadata win', () => {
    const { metadata } = discoveryNode({
      ip: '10.0.0.9',
      name: 'z',
      namespace: 'istio-system',
      nodeName: 'n1',
      proxyMetadata: { CLUSTER_ID: 'c', NAME: 'from proxy metadata', LABELS: 'text' },
      jsonMetadata: { LABELS: { app: 'ztunnel' } }
    })
    expect(metadata).toEqual({
      NAME: 'from proxy metadata',
      NAMESPACE: 'istio-system',
      INSTANCE_IPS: '10.0.0.9',
      NODE_NAME: 'n1',
      CLUSTER_ID: 'c',
      LABELS: { app: 'ztunnel' }
    })
  })
})

describe('addresses of the control plane', () => {
  it.each([
    ['https://istiod.istio-system.svc:15012', 'istiod.istio-system.svc:15012'],
    ['cp.mesh-a:15012', 'cp.mesh-a:15012'],
    ['https://[fd00::1]:15012', '[fd00::1]:15012'],
    ['https://istiod.example', 'istiod.example:443']
  ])('%s is %s', (address, target) => {
    expect(discoveryTarget(address)).toBe(target)
  })
})

describe('roots and tokens', () => {
  it('are read from their files each time', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'file')
    const [roots, token] = [rootsFrom(path), tokenFrom(path)]
    for (const content of ['one', 'two\n']) {
      await writeFile(path, content)
      expect(await roots()).toBe(content)
      expect(await token()).toBe(content)
    }
    await writeFile(path, '')
    await expect(token()).rejects.toThrow(setupError(/^token file .* is empty$/))
  })

  it('may be given as text, roots also by the system', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'
    expect(await rootsFrom(pem)()).toBe(pem)
    expect(await rootsFrom('SYSTEM')()).toBeUndefined()
    expect(await tokenFrom('abc')()).toBe('abc')
  })

  it('that cannot be read say so', async () => {
    await expect(rootsFrom('/nowhere/root.pem')()).rejects.toThrow(setupError(/"\/nowhere\/root.pem" are neither/))
    await using folder = await temporaryFolder()
    await expect(tokenFrom(folder.path)()).rejects.toThrow(setupError(/^cannot read token from/))
  })
})

describe('pauses between connections', () => {
  const ended = (code: status, message = ''): StreamEnd => ({ kind: 'status', code, message })

  it.each<{ end: StreamEnd; gotResponse?: boolean; wait: number; next: number; reason: string }>([
    { end: { kind: 'not-connected', message: '' }, wait: 80, next: 80, reason: 'ConnectionError' },
    { end: ended(status.UNKNOWN), wait: 10, next: 10, reason: 'Reconnect' },
    { end: ended(status.CANCELLED), wait: 10, next: 10, reason: 'Reconnect' },
    { end: ended(status.DEADLINE_EXCEEDED), wait: 10, next: 10, reason: 'Reconnect' },
    { end: ended(status.UNAVAILABLE, 'x: received prior goaway'), wait: 10, next: 10, reason: 'Reconnect' },
    { end: ended(status.UNAVAILABLE, 'elsewhere'), wait: 80, next: 80, reason: 'Error' },
    { end: ended(status.INTERNAL, 'transport is closing'), wait: 80, next: 80, reason: 'Error' },
    { end: { kind: 'complete' }, gotResponse: true, wait: 0, next: 10, reason: 'Complete' },
    { end: { kind: 'complete' }, gotResponse: false, wait: 80, next: 80, reason: 'Complete' },
    { end: { kind: 'internal', message: '' }, wait: 80, next: 80, reason: 'Error' }
  ])('after $end', ({ end, gotResponse = true, wait, next, reason }) => {
    expect(pauseAfter(end, { backoff: 40, gotResponse })).toEqual({ wait, next, reason })
  })
})
