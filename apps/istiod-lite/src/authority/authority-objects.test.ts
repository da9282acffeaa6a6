import { connect as connectTls } from 'node:tls'
import { configMaps, namespaces, secrets } from '@culvert/kubernetes'
import { parseCertificates } from '@culvert/spiffe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../test/eventually.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane.ts'

let plane: ControlPlane

beforeAll(async () => {
  plane = await startControlPlane()
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

describe('the authority’s objects', () => {
  it('[identity-ca-16] the Secret has the key pair, and a second instance loads it', async () => {
    const secret = await plane.client.get(secrets, { namespace: 'istio-system', name: 'istio-ca-secret' })
    expect(secret?.type).toBe('istio.io/ca-root')
    const data = Object.fromEntries(
      Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
    )
    expect(Object.keys(data).sort()).toEqual([
      'ca-cert.pem',
      'ca-key.pem',
      'cert-chain.pem',
      'key.pem',
      'root-cert.pem'
    ])
    expect(data['root-cert.pem']).toBe(data['ca-cert.pem'])
    expect(data['ca-key.pem']).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/)
    expect([data['cert-chain.pem'], data['key.pem']]).toEqual(['', ''])
    await using second = await startControlPlane({ beside: plane })
    expect(second.root).toBe(plane.root)
  })

  const root = (namespace: string) => plane.client.get(configMaps, { namespace, name: 'istio-ca-root-cert' })
  it('[identity-ca-19] every namespace has the root, restored when deleted or edited; kube-public has not', async () => {
    await plane.createNamespace('fresh')
    await eventually(async () => (await root('fresh'))?.data).toEqual({ 'root-cert.pem': plane.root })
    expect((await root('fresh'))?.metadata?.labels).toEqual({ 'istio.io/config': 'true' })

    await plane.client.delete(configMaps, { namespace: 'fresh', name: 'istio-ca-root-cert' })
    await eventually(async () => (await root('fresh'))?.data?.['root-cert.pem']).toBe(plane.root)

    const edit = { data: { 'root-cert.pem': 'wrong', other: 'kept' } }
    await plane.client.patch(configMaps, { namespace: 'fresh', name: 'istio-ca-root-cert' }, edit, { type: 'merge' })
    const expected = { 'root-cert.pem': plane.root, other: 'kept' }
    await eventually(async () => (await root('fresh'))?.data).toEqual(expected)

    for (const name of ['kube-public', 'kube-system']) {
      if ((await plane.client.get(namespaces, { name })) === undefined) await plane.createNamespace(name)
    }
    await eventually(async () => (await root('kube-system'))?.data?.['root-cert.pem']).toBe(plane.root)
    expect(await root('kube-public')).toBeUndefined()
  })

  it('[identity-ca-20] istiod’s own certificate names its services', async () => {
    await using blue = await startControlPlane({
      beside: plane,
      environment: { REVISION: 'blue', ISTIOD_CUSTOM_HOST: 'istiod.example' }
    })
    const names = await new Promise<string | undefined>((resolve, reject) => {
      const socket = connectTls({
        port: blue.securePort,
        host: '127.0.0.1',
        ca: blue.root,
        servername: 'istiod-blue.istio-system.svc',
        ALPNProtocols: ['h2']
      })
      socket.once('secureConnect', () => {
        resolve(socket.getPeerX509Certificate()?.subjectAltName)
        socket.destroy()
      })
      socket.once('error', reject)
    })
    expect(names?.split(', ')).toEqual([
      'DNS:istio-pilot.istio-system.svc',
      'DNS:istiod-blue.istio-system.svc',
      'DNS:istiod-remote.istio-system.svc',
      'DNS:istiod.example',
      'DNS:istiod.istio-system.svc'
    ])
  })
})

it('the mesh root is one certificate', () => {
  expect(parseCertificates(plane.root)).toHaveLength(1)
})
