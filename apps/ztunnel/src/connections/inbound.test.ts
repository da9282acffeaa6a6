import type { CapturedConnection, Direct, HeaderField, InboundStream } from '@culvert/tunnel'
import { emptyMatch } from '@culvert/workloads'
import { workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { scene, stockService } from './pod-handler.test-helper.ts'

describe('inbound', () => {
  const pod = { name: 'stock-0', serviceAccount: 'stock' }
  const stream: InboundStream = {
    id: 2,
    source: { ip: '10.61.0.7', port: 43210 },
    local: { ip: '10.61.4.20', port: 15008 },
    peerIdentity: 'spiffe://cluster.local/ns/shop/sa/cart',
    method: 'CONNECT',
    authority: '10.61.4.20:8080',
    headers: [['forwarded', 'for="10.61.0.7:51000";host=stock.shop.svc']]
  }
  const denyCart = {
    name: 'no-cart',
    namespace: 'shop',
    scope: 'Namespace',
    action: 'Deny',
    dryRun: false,
    rules: [[[{ ...emptyMatch, principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/cart' }] }]]]
  } as const

  it('connects to the application as the client and describes itself', async () => {
    const { handler } = scene({ pod })
    expect(await handler.stream(stream)).toEqual({
      kind: 'direct',
      to: { ip: '10.61.4.20', port: 8080 },
      from: '10.61.0.7',
      responseHeaders: [
        ['baggage', 'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=stock,service.name=stock']
      ]
    })
  })

  it('sends and believes no baggage when that is off', async () => {
    const headers: HeaderField[] = [['baggage', 'k8s.deployment.name=liar,k8s.namespace.name=lies']]
    const source = { ip: '10.1.1.1', port: 1 }
    const off = scene({ pod, responseBaggage: false })
    expect((await off.handler.stream({ ...stream, source, headers })) as Direct).toMatchObject({ responseHeaders: [] })
    expect(off.metrics.render('openmetrics')).not.toContain('liar')
    const on = scene({ pod })
    await on.handler.stream({ ...stream, source, headers })
    expect(on.metrics.render('openmetrics')).toContain('source_workload="liar"')
  })

  it('lets no header add a line, a label or a field of its own', async () => {
    const { handler, lines, metrics } = scene({ pod })
    const hostile = 'x"} 1 forged\\'
    await handler.stream({
      ...stream,
      source: { ip: '10.1.1.1', port: 1 },
      headers: [
        ['baggage', `service.name=${hostile},k8s.namespace.name=a\tb error:"forged"`],
        ['forwarded', `host=${hostile}\nforged`]
      ]
    })
    expect(metrics.render('openmetrics')).toContain(String.raw`source_canonical_service="x\"} 1 forged\\",`)
    const line = lines.at(-1) ?? ''
    expect(line.split('\t')).toHaveLength(5)
    expect(line).toContain(
      String.raw`src.workload="x\"} 1 forged\\" src.namespace="a\tb error:\"forged\"" src.identity=`
    )
    await handler.stream({ ...stream, id: 8, authority: 'a\nb"\tc:80', headers: [] })
    expect(lines.at(-1)).toContain(String.raw`error="no valid authority pseudo header: a\nb\"\tc:80"`)
  })

  it('does not look up a source of another network by its address', async () => {
    const { handler, metrics } = scene({ pod })
    await handler.stream({
      ...stream,
      headers: [
        ['x-forwarded-network', 'n2'],
        ['baggage', 'k8s.deployment.name=far']
      ]
    })
    expect(metrics.render('openmetrics')).toContain('source_workload="far"')
  })

  const waypoint = workloadUpdate({
    uid: 'c//Pod/shop/stock-0',
    name: 'stock-0',
    serviceAccount: 'stock',
    workloadIps: ['10.61.4.20'],
    network: 'n1',
    applicationTunnel: { protocol: 'PROXY', port: 15088 }
  })

  it('writes a PROXY header for an application tunnel', async () => {
    const { handler } = scene({ pod, updates: [waypoint, stockService] })
    const decision = (await handler.stream({ ...stream, authority: '10.200.5.9:8443' })) as Direct
    expect(decision).toMatchObject({ kind: 'direct', to: { ip: '127.0.0.1', port: 15088 } })
    expect(decision.from).toBeUndefined()
    // The worked example C of the specification.
    expect(Buffer.from(decision.preface ?? []).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a2111003' +
        `50a3d00070ac80509a8ca20fbd00026${Buffer.from('spiffe://cluster.local/ns/shop/sa/cart').toString('hex')}`
    )
  })

  it('refuses a peer whose identity is too long for a PROXY header, and says so', async () => {
    const { handler, lines, live } = scene({ pod, updates: [waypoint, stockService] })
    const peerIdentity = `spiffe://cluster.local/ns/shop/sa/${'x'.repeat(65_536)}`
    const long = { ...stream, authority: '10.200.5.9:8443', peerIdentity }
    expect(await handler.stream(long)).toEqual({ kind: 'answer', status: 503 })
    expect(lines.at(-1)).toContain('error="an identity of 65570 octets does not fit into a PROXY header"')
    expect([...live.dump().inbound]).toEqual([])
  })

  it('answers 401 to what a policy denies, before anything is dialled', async () => {
    const { handler, policies, lines, live } = scene({ pod })
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    expect(await handler.stream(stream)).toEqual({ kind: 'answer', status: 401 })
    expect(lines.at(-1)).toContain(
      'error="connection closed due to policy rejection: explicitly denied by: shop/no-cart"'
    )
    expect([...live.dump().inbound]).toEqual([])
  })

  it('cuts a live stream that is denied later, and only that', async () => {
    const { handler, policies, live, cut } = scene({ pod })
    await handler.stream(stream)
    await handler.stream({ ...stream, id: 3, peerIdentity: 'spiffe://cluster.local/ns/shop/sa/other' })
    for (const _step of live.judgeAgain());
    expect(cut).toEqual([])
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    for (const _step of live.judgeAgain());
    expect(cut).toEqual([2])
  })

  it('shows a live stream in the dump until it ends', async () => {
    const { handler, live } = scene({ pod })
    await handler.stream(stream)
    expect([...live.dump().inbound]).toEqual([
      { src: '10.61.0.7:43210', originalDst: 'stock.shop.svc', actualDst: '10.61.4.20:8080', protocol: 'HBONE' }
    ])
    handler.closed({ id: 2, fromClient: 0, toClient: 0, duration: 0 })
    expect([...live.dump().inbound]).toEqual([])
  })

  it.each([
    [{ method: 'GET', authority: undefined }, 400, 'expected method CONNECT, got GET'],
    [{ authority: '10.61.4.20' }, 400, 'no valid authority pseudo header: 10.61.4.20'],
    [{ authority: '10.61.0.7:80' }, 400, 'ip mismatch: 10.61.4.20 != 10.61.0.7'],
    [{ authority: 'nobody.example:80' }, 503, 'no service or workload for hostname: nobody.example'],
    [{ authority: '10.61.4.20:15006' }, 503, 'attempted recursive call to ourselves']
  ])('answers %j with %i', async (fields, status, error) => {
    const { handler, lines } = scene({ pod })
    expect(await handler.stream({ ...stream, ...fields })).toEqual({ kind: 'answer', status })
    expect(lines).toEqual([
      expect.stringContaining(
        `\twarn\taccess\tconnection failed\tsrc.addr=10.61.0.7:43210 dst.addr=10.61.4.20:15008 direction="inbound" error="${error}"`
      )
    ])
  })

  it('lets plaintext in by policies without an identity', async () => {
    const { handler, policies, lines } = scene({ pod })
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    const connection: CapturedConnection = {
      id: 4,
      role: 'inbound-plaintext',
      source: { ip: '10.9.9.9', port: 1 },
      destination: { ip: '10.61.4.20', port: 8080 }
    }
    expect(await handler.connection(connection)).toEqual({
      kind: 'direct',
      to: connection.destination,
      from: '10.9.9.9'
    })
    const strict = {
      ...denyCart,
      name: 'strict',
      rules: [[[{ ...emptyMatch, notPrincipals: [{ kind: 'presence' }] }]]]
    } as const
    policies.apply({ updates: [['shop/strict', strict]], removals: [] })
    expect(await handler.connection({ ...connection, id: 5 })).toEqual({ kind: 'refuse' })
    expect(lines.at(-1)).toMatch(/dst\.addr=10\.61\.4\.20:8080 .*explicitly denied by: shop\/strict"$/)
  })

  it('closes a handshake for which there is no certificate, and logs why', async () => {
    const { handler, lines } = scene({ pod, certificate: () => Promise.reject(new Error('CA is away')) })
    const [peer, local] = [stream.source, stream.local]
    expect(await handler.serverCredential(peer, local)).toBeUndefined()
    expect(lines[0]).toMatch(
      /\twarn\taccess\tconnection failed\t.*direction="inbound" error="signing error: CA is away"$/
    )
  })
})
