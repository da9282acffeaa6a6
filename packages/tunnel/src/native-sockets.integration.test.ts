import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { run } from '@culvert/netns'
import { describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { createTestIdentities, echo, TestMesh } from './testing/test-mesh.ts'

const identities = await createTestIdentities()
const log = { warn: () => {}, debug: () => {} }
const [standard = ''] = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').split('\n')
const unpaced = standard.startsWith('bbr') ? 'cubic' : standard

/** The congestion control of this process's sockets between two ports, seen from the first. */
async function congestionControl(from: number, to: number): Promise<string> {
  const { stdout } = await run(undefined, 'ss', ['-tniH', `sport = :${from} and dport = :${to}`])
  return stdout.split('\n')[1]?.trim().split(' ')[0] ?? 'no such socket'
}

describe('congestion control', () => {
  it.each([
    { setting: undefined, tunnel: standard },
    { setting: 'reno', tunnel: 'reno' },
    { setting: 'nonesuch', tunnel: standard }
  ])('is $tunnel under tunnels for $setting, and never paces within the node', async ({ setting, tunnel }) => {
    await using mesh = new TestMesh(identities, createDataPath({ log }))
    const application = await mesh.application(echo)
    const sockets = { tunnelCongestionControl: setting }
    const server = await mesh.server({ sockets })
    const client = await mesh.client(() => server.address('inbound-hbone'), application, { sockets })
    const socket = await mesh.connect(client.address('outbound'))
    socket.write('x')
    await once(socket, 'data')
    const tunnelPort = server.streams[0]!.source.port
    const hbone = server.address('inbound-hbone').port
    expect(await congestionControl(client.address('outbound').port, socket.localPort ?? 0)).toBe(unpaced)
    expect(await congestionControl(tunnelPort, hbone)).toBe(tunnel)
    expect(await congestionControl(hbone, tunnelPort)).toBe(tunnel)
    const { stdout } = await run(undefined, 'ss', ['-tnH', `dport = :${application.port}`])
    const local = Number(/:(\d+)\s+\S+\s*$/.exec(stdout.trim())?.[1])
    expect(local).toBeGreaterThan(0)
    expect(await congestionControl(local, application.port)).toBe(unpaced)
  })
})
