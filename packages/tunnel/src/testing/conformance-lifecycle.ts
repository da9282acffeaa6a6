import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { echo, readAll, readToEnd, type TestMesh } from './test-mesh.ts'

/** How connections are cut and pods go away (hbone 7). */
export function lifecycleConformance(createMesh: () => TestMesh): void {
  it('[hbone-29] cuts one stream while its tunnel stays', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const doomed = await mesh.connect(client.address('outbound'))
    await server.until(() => server.opens.length === 1)
    const spared = await mesh.connect(client.address('outbound'))
    await server.until(() => server.opens.length === 2)
    server.path.cut(server.streams[0]!.id)
    expect((await server.outcome()).failure?.code).toBe('CUT')
    expect((await readToEnd(doomed)).length).toBe(0)
    // What comes back through the same tunnel comes behind the reset.
    spared.write('.')
    await once(spared, 'readable')
    doomed.end()
    // A stream reset with CANCEL, as its peer shows: only its own end could not be passed on.
    expect((await client.outcome()).failure?.code).toBe('SHUTDOWN')
    spared.end('still here')
    expect((await readAll(spared)).toString()).toBe('.still here')
    expect([server.tunnelsAccepted, server.tunnelsOpen]).toEqual([1, 1])
  })

  it('cuts a captured connection', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const pod = await mesh.pod({ connection: () => ({ kind: 'direct', to: application }) })
    const socket = await mesh.connect(pod.address('inbound-plaintext'))
    await pod.until(() => pod.opens.length === 1)
    pod.path.cut(pod.captured[0]!.id)
    expect((await readAll(socket)).length).toBe(0)
    expect((await pod.outcome()).failure?.code).toBe('CUT')
    // Unknown and finished ids are ignored.
    pod.path.cut(pod.captured[0]!.id)
    pod.path.cut(123_456)
    expect(pod.outcomes).toHaveLength(1)
  })

  it('[hbone-29] cuts a stream whose decision is still open', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const decided = Promise.withResolvers<void>()
    const server = await mesh.server({
      async stream() {
        await decided.promise
        return { kind: 'direct', to: application }
      }
    })
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    await server.until(() => server.streams.length === 1)
    server.path.cut(server.streams[0]!.id)
    decided.resolve()
    await readAll(socket)
    expect((await server.outcome()).failure?.code).toBe('CUT')
    expect((await client.outcome()).failure?.code).toBe('HTTP2')
  })

  it('[hbone-30] drains: refuses new connections, keeps an open one, cuts it at the deadline', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const finishing = await mesh.connect(client.address('outbound'))
    const staying = await mesh.connect(client.address('outbound'))
    await server.until(() => server.opens.length === 2)
    const deadline = new AbortController()
    const drained = server.path.drain({ deadline: deadline.signal })
    await expect(connectRefused(server.address('inbound-hbone').port)).resolves.toBe('ECONNREFUSED')
    staying.write('works')
    expect((await once(staying, 'data')).toString()).toBe('works')
    finishing.end('bye')
    expect((await readAll(finishing)).toString()).toBe('bye')
    await server.outcome()
    deadline.abort()
    expect(await drained).toEqual({ finished: 1, cut: 1 })
    expect((await server.outcome(1)).failure?.code).toBe('DRAINED')
    expect(server.outcomes[0]?.failure).toBeUndefined()
    expect((await readAll(staying)).length).toBe(0)
  })

  it('[hbone-30] drains at once when nothing is open, and closes idle tunnels', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    socket.end()
    await readAll(socket)
    await Promise.all([client.outcome(), server.outcome()])
    const never = new AbortController().signal
    expect(await client.path.drain({ deadline: never })).toEqual({ finished: 0, cut: 0 })
    await server.until(() => server.tunnelsOpen === 0)
    expect(await server.path.drain({ deadline: never })).toEqual({ finished: 0, cut: 0 })
  })

  it('closes a pod with everything on it', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    await client.path.close()
    expect((await readAll(socket)).length).toBe(0)
    expect((await client.outcome()).failure?.code).toBe('DRAINED')
    await expect(connectRefused(client.address('outbound').port)).resolves.toBe('ECONNREFUSED')
    await server.outcome()
  })

  it('closes a pod without waiting for decisions and certificates that never come', async () => {
    await using mesh = createMesh()
    const application = await mesh.application(echo)
    const never = new Promise<never>(() => {})
    const server = await mesh.server({ stream: () => never })
    const silent = await mesh.server({ credential: undefined })
    silent.serverCredential = () => never
    const targets = [server, silent]
    const client = await mesh.pod({
      connection: () => {
        const next = targets.shift()
        return next === undefined ? never : mesh.tunnel(next.address('inbound-hbone'), application)
      }
    })
    for (let count = 0; count < 3; count++) await mesh.connect(client.address('outbound'))
    await server.until(() => server.streams.length === 1)
    await silent.until(() => silent.tunnelsAccepted === 1)
    // The client first: it shall end by its own close, not by what its servers' closing breaks.
    for (const pod of [client, server, silent]) await pod.path.close()
    expect(client.outcomes.map(({ failure }) => failure?.code)).toEqual(['DRAINED', 'DRAINED'])
  })

  it('opens no listener of a pod when one address is taken, and names it', async () => {
    await using mesh = createMesh()
    const first = await mesh.pod()
    const { port } = first.address('inbound-hbone')
    await expect(mesh.pod({ ports: { 'inbound-hbone': port } })).rejects.toMatchObject({
      code: 'TUNNEL_BIND',
      message: `failed to bind to address 127.0.0.1:${port}: Address already in use (os error 98)`
    })
  })
}

async function connectRefused(port: number): Promise<string | undefined> {
  const socket = net.connect({ host: '127.0.0.1', port })
  return await new Promise(resolve => {
    socket.on('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}
