import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStore, StoreClient } from './store-client.ts'

describe('a client of the store', () => {
  let server: Server
  let accepted: Socket[]
  let at: { host: string; port: number }

  beforeEach(async () => {
    accepted = []
    server = createServer(socket => {
      accepted.push(socket)
      socket.write('STORE 1\n')
      socket.on('data', () => socket.write('VALUE 7\n'))
      socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    at = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  })

  afterEach(async () => {
    for (const socket of accepted) socket.destroy()
    server.close()
    await once(server, 'close')
  })

  it('learns at the next question that its connection ended while nobody asked', async () => {
    const connection = await openStore(at)
    expect(await connection.get('ratings/0')).toBe(7)
    accepted[0]?.resetAndDestroy()
    await new Promise(resolve => connection.socket.once('close', resolve))
    await expect(connection.get('ratings/0')).rejects.toThrow(`store at 127.0.0.1:${at.port}: `)
  })

  it('replaces a connection that broke, where it was not asked to keep to one', async () => {
    const client = new StoreClient(at)
    await client.get('ratings/0')
    accepted[0]?.end()
    await vi.waitFor(async () => {
      expect(await client.get('ratings/0')).toBe(7)
      expect(accepted).toHaveLength(2)
    })
    client.close()
  })
})
