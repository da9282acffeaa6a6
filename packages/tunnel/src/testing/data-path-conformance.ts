import { beforeAll, describe, expect, it } from 'vitest'
import type { DataPath } from '../data-path.ts'
import { createTestIdentities, echo, readAll, STOCK, TestMesh, type TestIdentities } from './test-mesh.ts'

export type DataPathUnderTest = () => DataPath

/** What every data path must do, over real sockets and real TLS on the loopback address. */
export function dataPathConformance(name: string, createDataPath: DataPathUnderTest): void {
  let identities: TestIdentities
  beforeAll(async () => {
    identities = await createTestIdentities()
  })
  const createMesh = (): TestMesh => new TestMesh(createDataPath(), identities)

  describe(`${name}: bytes`, () => {
    it('carries both directions and tells what it carried', async () => {
      await using mesh = createMesh()
      const application = await mesh.application(echo)
      const server = await mesh.server()
      const client = await mesh.client(() => server.address('inbound-hbone'), application)
      const socket = await mesh.connect(client.address('outbound'))
      socket.end('hello')
      expect((await readAll(socket)).toString()).toBe('hello')
      for (const pod of [client, server]) {
        const outcome = await pod.outcome()
        expect(outcome).toMatchObject({ fromClient: 5, toClient: 5 })
        expect(outcome.failure).toBeUndefined()
        expect(pod.progressed).toEqual({ fromClient: 5, toClient: 5 })
      }
      expect(client.opens).toMatchObject([{ peerIdentity: STOCK, baggage: ['service.name=stock'] }])
      expect(server.streams).toMatchObject([{ method: 'CONNECT', headers: [['baggage', 'service.name=cart']] }])
    })
  })
}
