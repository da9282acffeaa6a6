import type { Netns } from '@culvert/netns'
import type { DataPath, ListenerRole, PodOptions, PodPath } from '@culvert/tunnel'
import type { WorkloadIdentity } from '@culvert/workloads'
import type { PodProxy } from '@culvert/zds'
import type { NodeContext, PodContext } from '../connections/context.ts'
import { createLiveConnections, type LiveConnections } from '../connections/live-connections.ts'
import { localWorkload } from '../connections/local-workload.ts'
import { createPodHandler } from '../connections/pod-handler.ts'
import { type Settings, socks5Port } from '../settings/settings.ts'
import { createPodDns, type PodDns, type PodDnsOptions } from './pod-dns.ts'

export interface PodStarterOptions {
  readonly node: NodeContext
  readonly dataPath: DataPath
  readonly settings: Settings
  /** Undefined: the DNS proxy is off. */
  readonly dns: PodDnsOptions | undefined
}

export interface StartedPod extends PodProxy {
  readonly live: LiveConnections
}

/** Binds everything of one pod, in the order of docs/spec/zds.md 4.2, or fails as a whole and leaves nothing behind. */
export async function startPod(
  options: PodStarterOptions,
  identity: WorkloadIdentity,
  netns: Netns | undefined,
  synced?: Promise<void>
): Promise<StartedPod> {
  const { node, dataPath, settings } = options
  const live = createLiveConnections()
  let path: PodPath | undefined
  // Its client is the pod, which is known by the context that the pod's connections have too.
  const dns: PodDns | undefined = options.dns && createPodDns(options.dns, netns, () => localWorkload(node, context))
  const context: PodContext = {
    identity,
    live,
    path: () => path,
    ...(dns === undefined ? {} : { lookUp: dns.lookUp }),
    ...(synced === undefined ? {} : { synced })
  }
  await dns?.start()
  if (settings.enableProxy) {
    try {
      path = await dataPath.open(podOptions(settings, netns, proxyListeners(settings)), createPodHandler(node, context))
    } catch (error) {
      await dns?.close()
      throw error
    }
  }
  return {
    live,
    close: async () => {
      await Promise.all([dns?.close(), path?.close()])
    },
    drain: async ({ deadline }) => {
      await Promise.all([dns?.drain({ deadline }), path?.drain({ deadline })])
    }
  }
}

interface ProxyListener {
  readonly role: ListenerRole
  readonly ip: string
  readonly port: number
}

/** In the order in which docs/spec/zds.md 4.2 binds them. */
function proxyListeners({ sockets, socks5 }: Settings): readonly ProxyListener[] {
  const ip = wildcard(sockets.ipv6)
  const listeners: readonly ProxyListener[] = [
    { role: 'inbound-hbone', ip, port: 15008 },
    { role: 'inbound-plaintext', ip, port: 15006 },
    { role: 'outbound', ip, port: 15001 }
  ]
  return socks5 ? [...listeners, { role: 'socks5', ip: '127.0.0.1', port: socks5Port }] : listeners
}

const wildcard = (ipv6: boolean): string => (ipv6 ? '::' : '0.0.0.0')

/** Every outgoing TCP connect, docs/spec/hbone.md 1.7. */
const connectTimeout = 10_000

const podOptions = (
  { sockets, http2, pool }: Settings,
  netns: Netns | undefined,
  listeners: readonly ProxyListener[]
): PodOptions => ({ netns, listeners, sockets: { ...sockets, connectTimeout }, http2, pool })

/** The proxy's own listener, so that the mesh reaches its metrics: HBONE only, in its own namespace (zds.md 5.1). */
export async function startSelf(
  options: PodStarterOptions,
  identity: WorkloadIdentity,
  synced: Promise<void>
): Promise<StartedPod> {
  const { node, dataPath, settings } = options
  const live = createLiveConnections()
  const own = podOptions(settings, undefined, [
    { role: 'inbound-hbone', ip: wildcard(settings.sockets.ipv6), port: 15008 }
  ])
  const sockets = { ...own.sockets, mark: 0, listenerMark: 0, reusePort: false, originalSource: 'never' as const }
  let path: PodPath | undefined
  const handler = createPodHandler(node, { identity, live, path: () => path, synced })
  const opened = await dataPath.open({ ...own, sockets }, handler)
  path = opened
  return {
    live,
    close: () => opened.close(),
    drain: async ({ deadline }) => {
      await opened.drain({ deadline })
    }
  }
}
