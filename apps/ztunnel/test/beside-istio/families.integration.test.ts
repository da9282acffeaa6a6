import { type AddressMessage, IPFamilies } from '@culvert/workloads'
import { beforeAll, describe, expect, it } from 'vitest'
import { addressBytes, echo, serverVip, serviceAt } from '../mesh.ts'
import {
  attempt,
  besideIstio,
  combinations,
  linesOf,
  type Maker,
  startPair,
  trafficSamples,
  unavailable
} from './pair.ts'

const vip6 = 'fd96::7:7'

function service(more: AddressMessage['service']): [string, AddressMessage] {
  const [key, { service }] = serviceAt('server', serverVip)
  const addresses = [serverVip, vip6].map(ip => ({ network: '', address: addressBytes(ip) }))
  return [key, { service: { ...service, addresses, ...more } }]
}

/** Every way to the server by an address of either family: what came back, whom the application saw, the log. */
async function ways(near: Maker, far: Maker): Promise<unknown> {
  await using pair = await startPair({ near, far, ipv6: true })
  const { client, server, outsider } = pair
  let seen: string | undefined
  await server.listen(8080, socket => {
    seen = socket.remoteAddress
    echo(socket)
  })
  await outsider.listen(9000, echo)
  const found: Record<string, unknown> = {}
  const kinds = {
    any: {},
    'IPv4 only': { ipFamilies: IPFamilies.IPV4_ONLY },
    'IPv6 only': { ipFamilies: IPFamilies.IPV6_ONLY },
    both: { ipFamilies: IPFamilies.DUAL }
  }
  for (const [kind, more] of Object.entries(kinds)) {
    await pair.know(service(more))
    for (const vip of [serverVip, vip6]) await way(`${kind}, by ${vip}`, client, vip, 80)
  }
  for (const ip of [server.ip, server.ip6]) {
    await way(`the pod, by ${ip}`, client, ip, 8080)
    await way(`the pod’s closed port, by ${ip}`, client, ip, 9)
    await way(`the pod from outside, by ${ip}`, outsider, ip, 8080, { far: 1 })
  }
  for (const ip of [outsider.ip, outsider.ip6]) {
    await way(`outside, by ${ip}`, client, ip, 9000, { near: 1 })
    await way(`a closed port outside, by ${ip}`, client, ip, 9, { near: 1 })
  }
  await way('the proxy itself', client, '::1', 15001, { near: 1 })
  return { found, near: await trafficSamples(pair.near), far: await trafficSamples(pair.far) }

  async function way(
    title: string,
    from: typeof client,
    ip: string,
    port: number,
    expected: Parameters<typeof linesOf>[1] = { near: 1, far: 1 }
  ): Promise<void> {
    let met = ''
    seen = undefined
    const lines = await linesOf(pair, expected, async () => {
      // What a refused connection was sent and nobody read would make its end a reset, or not.
      met = await attempt(from, ip, port, port === 9 || port === 15001 ? undefined : 'hello')
    })
    found[title] = { met, seen, ...lines }
  }
}

describe.skipIf(unavailable)(besideIstio('addresses of both families'), () => {
  const [first, ...others] = combinations
  let istios: unknown
  beforeAll(async () => {
    istios = await ways(...first!)
  }, 120_000)

  it.each(others)('are reached the same: %s to %s', async (near, far) => {
    expect(await ways(near, far)).toEqual(istios)
  })
})
