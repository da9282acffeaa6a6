import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenSeqpacket, type SeqpacketSocket } from '@culvert/netns'
import { Random } from '@culvert/testing'
import { addressTypeUrl, discoveryServiceDefinition, encodeAddress } from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { descriptorsOf } from './levels.ts'
import { denyPrincipal, echo, roundTrip, notRoot, snapshotPod, startMesh, titled } from './mesh.ts'
import { until } from './node.ts'
import type { TestPod } from './pods.ts'
import { startWatched, witness } from './watched-mesh.ts'

describe.skipIf(notRoot)(titled('nonsense from the control plane'), () => {
  it('costs its stream, or a NACK, and no connection', async () => {
    const scene = await startWatched({})
    await using mesh = scene.mesh
    const address = (value: Uint8Array) => ({ name: 'bad', version: '1', resource: { typeUrl: addressTypeUrl, value } })
    const { responseSerialize } = discoveryServiceDefinition.deltaAggregatedResources
    const response = (value: Uint8Array): Uint8Array =>
      responseSerialize({ typeUrl: addressTypeUrl, nonce: 'x', resources: [address(value)] })
    const workload = encodeAddress({ workload: { uid: 'bad', name: 'bad', addresses: [Buffer.alloc(5)] } })
    const terminations = async (): Promise<number> => {
      const { body } = await mesh.node.http(15020, '/metrics')
      const rows = body.matchAll(/^istio_xds_connection_terminations_total\{.*\} (\d+)$/gm)
      return [...rows].reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const random = new Random(1)
    for (const bytes of [random.bytes(100), response(workload).subarray(0, -5), Buffer.alloc(1_000_000, 0xff)]) {
      const [ended, opened] = [await terminations(), mesh.controlPlane.streamsOpened()]
      mesh.controlPlane.sendRaw(bytes)
      await until(async () => (await terminations()) > ended)
      await scene.watching.isUndisturbed()
      await until(() => mesh.controlPlane.streamsOpened() > opened)
    }
    for (const value of [random.bytes(50), workload, Buffer.alloc(0)]) mesh.controlPlane.sendRaw(response(value))
    await mesh.controlPlane.setPolicies(new Map([denyPrincipal('nobody', 'nobody')]))
    await scene.watching.isUndisturbed()
    expect((await mesh.node.http(15000, '/config_dump')).body).not.toContain('"bad"')
    await mesh.controlPlane.setPolicies(new Map([denyPrincipal('client', 'client')]))
    const refused = await mesh.client.connect(mesh.server.ip, 8080)
    expect((await roundTrip(refused, 'x').catch(() => Buffer.alloc(0))).length).toBe(0)
    await mesh.controlPlane.setPolicies(new Map())
  })
})

/** Requests of docs/spec/zds.md 1.2, field by field. */
const field = (number: number, bytes: Buffer | string): Buffer =>
  Buffer.concat([Buffer.of(number * 8 + 2, Buffer.byteLength(bytes)), Buffer.from(bytes)])
const keepRequest = (pod: TestPod): Buffer => field(5, field(1, snapshotPod(pod).uid))
const snapshotSent = field(3, '')
function addRequest(pod: TestPod): Buffer {
  const info = [field(1, pod.name), field(2, 'shop'), field(3, pod.name)]
  return field(1, Buffer.concat([field(1, snapshotPod(pod).uid), field(2, Buffer.concat(info))]))
}

describe.skipIf(notRoot)(titled('nonsense from the node agent'), () => {
  it('is answered and costs its connection, and no pod', async () => {
    await using stack = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'culvert-zds-'))
    stack.defer(async () => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'z.sock')
    const accepted: SeqpacketSocket[] = []
    const listener = listenSeqpacket(path, { onConnection: socket => accepted.push(socket) })
    stack.defer(async () => listener.close())
    await using mesh = await startMesh({ env: { INPOD_UDS: path, RUST_LOG: 'error' }, ready: false })

    const receive = async (socket: SeqpacketSocket): Promise<string | undefined> =>
      (await socket.receive({ maxBytes: 1_024, maxFds: 0 }))?.bytes.toString('latin1')
    /** Takes the next connection, and names or hands over the pods. */
    const greet = async (request: (pod: TestPod) => [bytes: Buffer, fds: number[]]): Promise<SeqpacketSocket> => {
      await until(() => accepted.length > 0)
      const socket = accepted.shift()!
      expect(await receive(socket)).toBe('\x08\x01')
      for (const pod of [mesh.client, mesh.server]) {
        await socket.send(...request(pod))
        expect(await receive(socket)).toBe('\n\0')
      }
      await socket.send(snapshotSent)
      expect(await receive(socket)).toBe('\n\0')
      return socket
    }
    let agent = await greet(pod => [addRequest(pod), [pod.netns.fd]])
    await mesh.node.ready()
    await mesh.server.listen(8080, echo)
    const watching = await witness(mesh, 8080)
    const descriptors = descriptorsOf(mesh.node)

    const fd = mesh.outsider.netns.fd
    for (const { bytes, fds, answer } of [
      { bytes: Buffer.from('ffff', 'hex'), fds: [], answer: 'not a WorkloadRequest' },
      { bytes: new Random(1).bytes(200), fds: [fd], answer: 'failure to read message' },
      { bytes: addRequest(mesh.outsider), fds: [], answer: 'No control message' },
      { bytes: addRequest(mesh.outsider), fds: [fd, fd], answer: 'Expected 1 FD, got 2' },
      { bytes: keepRequest(mesh.client), fds: [fd], answer: 'Unexpected control message' },
      { bytes: Buffer.alloc(2_000, 0x0a), fds: [fd], answer: 'longer than 1024 bytes' }
    ]) {
      await agent.send(bytes, fds)
      expect(await receive(agent)).toContain(answer)
      expect(await receive(agent)).toBeUndefined()
      agent.close()
      await watching.isUndisturbed()
      agent = await greet(pod => [keepRequest(pod), []])
    }
    await mesh.node.ready()
    await watching.isUndisturbed()
    await until(() => descriptorsOf(mesh.node) <= descriptors)
    agent.close()
  })
})
