import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startClient } from './discovery-client.test-helper.ts'
import { startTestServer } from './discovery-server.test-helper.ts'

vi.mock('node:tls', async original => {
  const tls = await original<typeof import('node:tls')>()
  const getCACertificates: typeof tls.getCACertificates = type => (type === 'system' ? [] : tls.getCACertificates(type))
  return { ...tls, getCACertificates }
})

it('trusts nobody where the system has no roots, and not the roots that Node has', async () => {
  const server = await startTestServer()
  const before = getCACertificates('default')
  setDefaultCACertificates([server.roots])
  onTestFinished(() => setDefaultCACertificates(before))
  const { promise: warned, resolve } = Promise.withResolvers<string>()
  const log = { debug() {}, warn: (_message: string, fields: object = {}) => resolve(JSON.stringify(fields)) }
  startClient(server, { roots: async () => undefined, log })
  expect(await Promise.race([warned, server.accept().then(() => 'a stream')])).toContain('self-signed certificate')
})
