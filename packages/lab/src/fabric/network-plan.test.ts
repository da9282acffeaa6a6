import { describe, expect, it } from 'vitest'
import { fabricBatch, nodeBatch } from './ip-batches.ts'
import { planNetwork } from './network-plan.ts'

describe('planNetwork', () => {
  it('derives every address from the prefixes', () => {
    const plan = planNetwork(2, { nodePrefix: '10.1.2', servicePrefix: '10.97' })
    expect(plan).toMatchObject({
      fabricIp: '10.1.2.1',
      kubernetesIp: '10.97.0.1',
      dnsIp: '10.97.0.10',
      serviceCidr: '10.97.0.0/16',
      nodes: [
        { name: 'node-1', ip: '10.1.2.2', podCidr: '10.244.1.0/24', podGateway: '10.244.1.1' },
        { name: 'node-2', ip: '10.1.2.3', podCidr: '10.244.2.0/24', podGateway: '10.244.2.1' }
      ]
    })
  })

  it('gives every interface a hardware address of its own', () => {
    const plan = planNetwork(100)
    const macs = plan.nodes.flatMap(({ mac, podBridgeMac }) => [mac, podBridgeMac])
    expect(new Set(macs).size).toBe(200)
    for (const mac of macs) expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/)
  })

  it.each([0, 101, 1.5, Number.NaN])('refuses %s nodes', count => {
    expect(() => planNetwork(count)).toThrow(`nodes is ${count}`)
  })

  it.each([
    [{ podPrefix: '10.244.0' }, "network.podPrefix is '10.244.0'; it must be 2 numbers"],
    [{ nodePrefix: '172.18' }, "network.nodePrefix is '172.18'; it must be 3 numbers"],
    [{ servicePrefix: '10.256' }, "network.servicePrefix is '10.256'"]
  ])('refuses %j', (network, message) => {
    expect(() => planNetwork(1, network)).toThrow(message)
  })
})

describe('ip batches', () => {
  it('wire each node to the bridge and route its pods through it', () => {
    const plan = planNetwork(2)
    const fabric = fabricBatch(
      plan,
      new Map([
        ['node-1', 41],
        ['node-2', 42]
      ])
    )
    expect(fabric).toContain(
      'link add node2 mtu 1500 type veth peer name eth0 address 02:c0:1e:27:01:02 mtu 1500 netns 42\n'
    )
    expect(fabric).toContain('route add 10.244.2.0/24 via 172.18.0.3\n')
    const node = nodeBatch(plan, plan.nodes[0]!)
    expect(node).toContain('route add 10.244.2.0/24 via 172.18.0.3\n')
    expect(node).not.toContain('route add 10.244.1.0/24')
  })
})
