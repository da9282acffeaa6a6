import { readdirSync, readlinkSync } from 'node:fs'
import { createFairSlots, parseHosts, parseResolvConf } from '@culvert/dns'
import { constants, getsockopt } from '@culvert/native-netns'
import { createNetns } from '@culvert/netns'
import { createDataPath } from '@culvert/tunnel'
import { describe, expect, it } from 'vitest'
import type { NodeContext } from '../src/connections/context.ts'
import { startPod } from '../src/pods/pod-starter.ts'
import { readSettings } from '../src/settings/settings.ts'
import { notRoot, titled } from './mesh.ts'
import { must } from './node.ts'

interface Listener {
  readonly port: number
  readonly mark: number
  readonly reusePort: boolean
  readonly reuseAddress: boolean
  readonly transparent: boolean
}

/** Starts a pod with these settings in this process, so that the options of its sockets can be asked for. */
async function listenersWith(variables: Record<string, string>): Promise<readonly Listener[]> {
  await using stack = new AsyncDisposableStack()
  const netns = createNetns()
  stack.defer(async () => netns.close())
  await must(netns, 'ip', ['link', 'set', 'lo', 'up'])
  const settings = readSettings(
    { get: name => variables[name], names: () => Object.keys(variables) },
    { exists: () => false, read: () => undefined, cpus: 2 }
  )
  const { listenerMark, reusePort, ipv6 } = settings.sockets
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
  const pod = await startPod(
    {
      // Asked for connections only, and there are none.
      node: { records: {} } as NodeContext,
      settings,
      dataPath: createDataPath({ log }),
      dns: {
        slots: createFairSlots({ all: 1, each: 1 }),
        settings: settings.dns,
        mark: listenerMark,
        reusePort,
        ipv6,
        clusterDomain: settings.clusterDomain,
        preferredNamespace: undefined,
        search: undefined,
        resolver: parseResolvConf(''),
        hosts: parseHosts(''),
        services: { servicesByHostname: () => [] },
        observe: () => undefined,
        onError: () => undefined
      }
    },
    { namespace: 'shop', name: 'cart', serviceAccount: 'cart' },
    netns
  )
  stack.defer(() => pod.close())
  const table = await must(netns, 'ss', ['-Htlne'])
  return [...table.matchAll(/:(\d+)\s.*\bino:(\d+)/g)]
    .map(([, port, inode]) => listener(Number(port), descriptorOf(`socket:[${inode}]`)))
    .sort((a, b) => a.port - b.port)
}

function descriptorOf(target: string): number {
  const found = readdirSync('/proc/self/fd').find(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === target
    } catch {
      return false
    }
  })
  return Number(found)
}

function listener(port: number, fd: number): Listener {
  const isSet = (level: number, name: number): boolean => getsockopt(fd, level, name) !== 0
  return {
    port,
    mark: getsockopt(fd, constants.SOL_SOCKET, constants.SO_MARK),
    reusePort: isSet(constants.SOL_SOCKET, constants.SO_REUSEPORT),
    reuseAddress: isSet(constants.SOL_SOCKET, constants.SO_REUSEADDR),
    transparent: isSet(constants.SOL_IP, constants.IP_TRANSPARENT)
  }
}

const all = [
  { port: 15001, transparent: true },
  { port: 15006, transparent: true },
  { port: 15008, transparent: true },
  { port: 15053, transparent: false },
  { port: 15053, transparent: false }
]

describe.skipIf(notRoot)(titled("a pod's listeners"), () => {
  it('[zds-4] carry the mark, share their ports, and take foreign addresses where connections pass', async () => {
    const options = { mark: 1337, reusePort: true, reuseAddress: false }
    expect(await listenersWith({})).toEqual(all.map(each => ({ ...each, ...options })))
  })

  it('carry no mark and share no port in dedicated mode', async () => {
    const variables = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart/cart', PACKET_MARK: '7' }
    const options = { mark: 0, reusePort: false, reuseAddress: true }
    expect(await listenersWith(variables)).toEqual(all.map(each => ({ ...each, ...options })))
  })
})
