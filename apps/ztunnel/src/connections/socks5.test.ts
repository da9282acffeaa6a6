import { describe, expect, it } from 'vitest'
import { header, scene, tunnelOf } from './pod-handler.test-helper.ts'

describe('outbound by SOCKS5', () => {
  const source = { ip: '127.0.0.1', port: 51000 }

  it('goes where the same connection would go that was captured', async () => {
    const { handler } = scene()
    const target = { ip: '10.200.5.9' }
    const { to, outer } = await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))
    expect(to).toEqual({ ip: '10.61.4.20', port: 15008 })
    expect(outer).toMatchObject({ authority: '10.61.4.20:8080', applicationIp: '127.0.0.1' })
    expect(header(outer.headers, 'forwarded')).toBe('for="127.0.0.1:51000";host=stock.shop.svc')
  })

  it("takes the first address that the pod's DNS proxy has for a name", async () => {
    const asked: string[] = []
    const lookUp = async (...question: string[]): Promise<readonly string[]> => {
      asked.push(question.join(' '))
      return ['10.200.5.9', '10.200.5.10']
    }
    const { handler } = scene({ lookUp })
    const target = { name: Buffer.from('lager.straße') }
    expect((await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))).to.ip).toBe('10.61.4.20')
    await handler.socks5({ id: 2, source: { ip: '::1', port: 1 }, target, port: 80 })
    expect(asked).toEqual(['lager.straße A', 'lager.straße AAAA'])
  })

  it.each([
    { title: 'a name without address', name: 'a.b', lookUp: async () => [], socks5Reply: 4 },
    { title: 'a name without DNS proxy', name: 'a.b', lookUp: undefined, socks5Reply: 7 },
    { title: 'a name that is no UTF-8', name: Buffer.from([0xff]), lookUp: async () => ['10.0.0.1'], socks5Reply: 7 }
  ])('answers $title with code $socks5Reply', async ({ name, lookUp, socks5Reply }) => {
    const { handler, lines } = scene(lookUp === undefined ? {} : { lookUp })
    const target = { name: Buffer.from(name) }
    expect(await handler.socks5({ id: 1, source, target, port: 80 })).toEqual({ kind: 'refuse', socks5Reply })
    expect(lines.filter(line => line.includes('SOCKS5 request refused'))).toHaveLength(1)
  })

  it('takes a name that is an address as it stands, and refuses ports of the proxy on loopback', async () => {
    const { handler, lines } = scene()
    const target = { name: Buffer.from('127.0.0.1') }
    expect(await handler.socks5({ id: 1, source, target, port: 15001 })).toEqual({ kind: 'refuse' })
    expect(lines.at(-1)).toContain('attempted recursive call to ourselves')
  })

  it.each(['::ffff:127.0.0.1', '::FFFF:7f00:1', '0:0:0:0:0:0:0:1'])('knows loopback written as %s', async text => {
    const { handler } = scene()
    const target = { name: Buffer.from(text) }
    expect(await handler.socks5({ id: 1, source, target, port: 15001 })).toEqual({ kind: 'refuse' })
  })

  it('goes to the service whose address a name or a record is, however written', async () => {
    const { handler } = scene({ lookUp: async () => ['::ffff:ac8:509'] })
    for (const name of ['::FFFF:10.200.5.9', 'stock.example']) {
      const target = { name: Buffer.from(name) }
      expect((await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))).to.ip).toBe('10.61.4.20')
    }
  })

  it('takes no address with a zone, and logs what a name holds as text', async () => {
    const { handler, lines } = scene({ lookUp: async () => [] })
    for (const name of ['fe80::1%lo', 'a\nERROR b', '']) {
      const target = { name: Buffer.from(name) }
      expect(await handler.socks5({ id: 1, source, target, port: 80 })).toEqual({ kind: 'refuse', socks5Reply: 4 })
    }
    expect(lines.filter(line => line.includes('\n'))).toEqual([])
  })
})
