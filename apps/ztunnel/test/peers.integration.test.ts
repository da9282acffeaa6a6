import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { HboneServerStream } from '@culvert/hbone'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { echo, type Mesh, podWorkload, readAll, notRoot, startMesh, titled } from './mesh.ts'
import { must } from './node.ts'
import { openTunnel, standIn } from './stand-ins.ts'

const peer = 'spiffe://cluster.local/ns/shop/sa/peer'

/** What pods and their operators see of peers that are not as they should be, or end in other ways than most. */
describe.skipIf(notRoot)(titled('a peer of another make'), () => {
  let mesh: Mesh
  beforeAll(async () => {
    mesh = await startMesh()
    await mesh.server.listen(8080, echo)
    await mesh.know(podWorkload(mesh.outsider))
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  const outbound = (port: number | undefined): Promise<string> =>
    mesh.node.line(new RegExp(`src.addr=${mesh.client.ip}:${port} .*direction="outbound"`))

  it('[hbone-4] with the certificate of another account gets no request, and the failure counts as one of the connection', async () => {
    const streams: HboneServerStream[] = []
    const identity = 'spiffe://cluster.local/ns/shop/sa/another'
    await using _ = await standIn(mesh.controlPlane, { pod: mesh.outsider, identity }, stream => streams.push(stream))
    const socket = await mesh.client.connect(mesh.outsider.ip, 8080)
    const port = socket.localPort
    expect((await readAll(socket).catch(() => Buffer.alloc(0))).length).toBe(0)
    expect(await outbound(port)).toMatch(
      /error="io error: invalid peer certificate: .*sa\/outsider\), got .*sa\/another/
    )
    expect(streams).toEqual([])
    const { body } = await mesh.node.http(15020, '/metrics')
    const failed = body.split('\n').filter(row => row.startsWith('istio_tcp_connections_failed_total{'))
    expect(failed.filter(row => row.includes('destination_workload="outsider"'))).toEqual([
      expect.stringMatching(/response_flags="CONNECT".* 1$/)
    ])
  })

  it('[hbone-3] of another trust domain is served nothing, and its application sees a reset', async () => {
    await mesh.know(podWorkload(mesh.outsider), podWorkload(mesh.client, { trustDomain: 'elsewhere' }))
    try {
      const accepted: Socket[] = []
      await mesh.server.listen(8094, socket => accepted.push(socket))
      const socket = await mesh.client.connect(mesh.server.ip, 8094)
      const port = socket.localPort
      socket.write('data')
      const [error] = await once(socket, 'error')
      expect(error).toMatchObject({ code: 'ECONNRESET' })
      expect(await outbound(port)).toContain('error="h2 failed: ')
      await mesh.node.line(
        /connection failed\tsrc.addr=\S+ dst.addr=\S+:15008 direction="inbound" error="tls handshake error: /
      )
      expect(accepted).toEqual([])
    } finally {
      await mesh.know(podWorkload(mesh.outsider))
    }
  })

  it('[hbone-14] hears no 200 before the application is connected', async () => {
    const { outsider: from, server: to, controlPlane } = mesh
    const accepted = Promise.withResolvers<void>()
    await to.listen(8095, () => accepted.resolve())
    const rule = ['INPUT', '-p', 'tcp', '--dport', '8095', '-j', 'DROP']
    await must(to.netns, 'iptables', ['-I', ...rule])
    const { session } = await openTunnel(controlPlane, { from, to, identity: peer })
    const events: string[] = []
    const stalled = session.request({ ':method': 'CONNECT', ':authority': `${to.ip}:8095` })
    const answered = once(stalled, 'response').then(([headers]) => events.push(`stalled ${headers[':status']}`))
    const quick = session.request({ ':method': 'CONNECT', ':authority': `${to.ip}:8080` })
    const [headers] = await once(quick, 'response')
    events.push(`quick ${headers[':status']}`)
    await must(to.netns, 'iptables', ['-D', ...rule])
    events.push('let through')
    await Promise.all([answered, accepted.promise])
    expect(events).toEqual(['quick 200', 'let through', 'stalled 200'])
    session.destroy()
  })

  it('[hbone-15] hears the end of an application that resets its connection after its reply', async () => {
    const { outsider: from, server: to, controlPlane } = mesh
    const accepted = Promise.withResolvers<Socket>()
    await to.listen(8096, socket => {
      socket.write('reply')
      accepted.resolve(socket)
    })
    const { session } = await openTunnel(controlPlane, { from, to, identity: peer })
    const stream = session.request({ ':method': 'CONNECT', ':authority': `${to.ip}:8096` })
    expect(String((await once(stream, 'data'))[0])).toBe('reply')
    ;(await accepted.promise).resetAndDestroy()
    await once(stream, 'end')
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
    stream.end()
    const line = await mesh.node.line(/dst.hbone_addr=\S+:8096 .*direction="inbound"/)
    expect(line).toContain('info\taccess\tconnection complete')
    expect(line).not.toContain('error=')
    session.destroy()
  })

  it.each([
    { name: 'NO_ERROR', code: constants.NGHTTP2_NO_ERROR, error: undefined },
    { name: 'CANCEL', code: constants.NGHTTP2_CANCEL, error: 'while closing connection: send: io error: broken pipe' }
  ])(
    '[hbone-16] that resets a stream with $name after its data has given that data, and an end',
    async ({ code, error }) => {
      const identity = 'spiffe://cluster.local/ns/shop/sa/outsider'
      const streams: ServerHttp2Stream[] = []
      await using _ = await standIn(mesh.controlPlane, { pod: mesh.outsider, identity }, stream => {
        const { duplex } = stream.accept()
        duplex.write('reply')
        streams.push(duplex as ServerHttp2Stream)
      })
      const socket = await mesh.client.connect(mesh.outsider.ip, 8080)
      const port = socket.localPort
      const [reply] = (await once(socket, 'data')) as [Buffer]
      expect(reply.toString()).toBe('reply')
      streams[0]?.close(code)
      expect((await readThenEnd(socket)).length).toBe(0)
      const line = await outbound(port)
      if (error === undefined) expect(line).not.toContain('error=')
      else expect(line).toContain(`error="${error}"`)
    }
  )
})

/** Reads to the end, then ends as well. */
async function readThenEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'end')
  socket.end()
  return Buffer.concat(chunks)
}
