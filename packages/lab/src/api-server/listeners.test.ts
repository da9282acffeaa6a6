import { CoreV1Api, KubeConfig, PortForward } from '@kubernetes/client-node'
import { listenTcp } from '@culvert/netns'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { startApiServer } from './index.ts'
import { rawRequest } from './testing/test-request.ts'
import { containers, namespace, pod, useTestServer } from './testing/test-server.ts'

const t = useTestServer()

it('lets in by client certificate', async () => {
  const own = new KubeConfig()
  own.loadFromString(await t.server.kubeconfig({ user: 'system:node:one', groups: ['system:nodes'] }))
  const { items } = await own.makeApiClient(CoreV1Api).listNamespace()
  expect(items.length).toBeGreaterThan(0)
})

it('listens on several sockets, bound ones too', async () => {
  const { fd } = listenTcp(undefined, { ip: '127.0.0.1', port: 0 })
  await using both = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }, { fd }] })
  expect(both.addresses).toHaveLength(2)
  for (const { port } of both.addresses) {
    const { body } = await rawRequest(both, { method: 'GET', path: '/readyz', headers: {}, port })
    expect(body).toBe('ok')
  }
})

it('forwards ports for @kubernetes/client-node', async () => {
  const echo = createServer(socket => socket.pipe(socket))
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  const { port } = echo.address() as { port: number }
  t.server.setKubelet('n', {
    log: () => {
      throw new Error('no logs here')
    },
    portForward: async () => connect(port, '127.0.0.1')
  })
  await t.core.createNamespacedPod({ namespace, body: pod('one', { spec: { containers, nodeName: 'n' } }) })
  const input = new PassThrough()
  const output = new PassThrough()
  const socket = await new PortForward(t.config).portForward(namespace, 'one', [8080], output, null, input)
  input.write('ping')
  for await (const chunk of output) {
    expect(String(chunk)).toBe('ping')
    break
  }
  ;(socket as { close(): void }).close()
  echo.close()
})

it('closes at once while a connection has not begun its TLS handshake', async () => {
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  const silent = connect({ host: '127.0.0.1', port: server.addresses[0]!.port })
  await once(silent, 'connect')
  // Answered only after the silent connection was accepted.
  await rawRequest(server, { method: 'GET', path: '/readyz', headers: {}, port: server.addresses[0]!.port })
  const ended = once(silent, 'close')
  await server.close()
  await ended
})
