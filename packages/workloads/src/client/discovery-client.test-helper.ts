import { onTestFinished } from 'vitest'
import { type Clock, systemClock } from '@culvert/clock'
import { addressTypeUrl } from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, NodeMessage, ResourceMessage } from '../messages/discovery-messages.ts'
import { TunnelProtocol } from '../messages/enums.ts'
import { encodeAddress } from '../messages/resource-codec.ts'
import type { AddressMessage } from '../messages/workload-messages.ts'
import { createPolicyStore, type PolicyStore } from '../state/policy-store.ts'
import { createWorkloadIndex, type WorkloadIndex } from '../state/workload-index.ts'
import { createDiscoveryClient, type DiscoveryClient, type DiscoveryClientOptions } from './discovery-client.ts'
import type { TestServer, TestStream } from './discovery-server.test-helper.ts'
import { discoveryNode } from './node.ts'

export const node: NodeMessage = discoveryNode({ name: 'ztunnel-x', namespace: 'istio-system', nodeName: 'n1' })
export const uid = 'c-east//Pod/shop/cart-1'
export const cartName = 'shop/cart.shop.example'

export const address = (name: string, message: AddressMessage, version = '1'): ResourceMessage => ({
  name,
  version,
  resource: { typeUrl: addressTypeUrl, value: encodeAddress(message) }
})
export const podMessage = (fields: AddressMessage['workload'] = {}): AddressMessage => ({
  workload: {
    uid,
    name: 'cart-1',
    namespace: 'shop',
    addresses: [Buffer.from([10, 20, 0, 9])],
    tunnelProtocol: TunnelProtocol.HBONE,
    services: { [cartName]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    ...fields
  }
})
export const cartMessage = (fields: AddressMessage['service'] = {}): AddressMessage => ({
  service: {
    name: 'cart',
    namespace: 'shop',
    hostname: 'cart.shop.example',
    addresses: [{ address: Buffer.from([10, 96, 7, 3]) }],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    ...fields
  }
})

/** Timers run at once and are noted, but for those of deadlines (5, 10 and 30 s), which never do. */
export function instantClock(waits: number[] = []): Clock {
  return {
    ...systemClock,
    after(milliseconds, run) {
      if (milliseconds === 10_000 || milliseconds === 5000 || milliseconds === 30_000) return () => {}
      waits.push(milliseconds)
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    }
  }
}

interface Running {
  readonly client: DiscoveryClient
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
  readonly warnings: string[]
  readonly terminations: string[]
  readonly stop: () => void
}

/** Stopped when the test ends, if not before. */
export function startClient(
  server: Pick<TestServer, 'address' | 'roots'>,
  options: Partial<DiscoveryClientOptions> = {}
): Running {
  const index = createWorkloadIndex()
  const policies = createPolicyStore()
  const warnings: string[] = []
  const terminations: string[] = []
  const client = createDiscoveryClient({
    address: server.address,
    roots: async () => server.roots,
    clusterId: 'c-east',
    node,
    index,
    policies,
    clock: instantClock(),
    log: { debug() {}, warn: message => warnings.push(message) },
    metrics: { connectionTerminated: reason => terminations.push(reason) },
    ...options
  })
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  onTestFinished(stop)
  client.start({ signal: controller.signal })
  return { client, index, policies, warnings, terminations, stop }
}

/** Reads the two requests that open every stream. */
export async function opening(stream: TestStream): Promise<[DeltaDiscoveryRequest, DeltaDiscoveryRequest]> {
  return [await stream.request(), await stream.request()]
}

/** The next stream, once it is open. */
export async function acceptOpened(server: TestServer): Promise<TestStream> {
  const stream = await server.accept()
  await opening(stream)
  return stream
}

/** Whether it is ready by now. */
export async function isReady(client: DiscoveryClient): Promise<boolean> {
  return await Promise.race([
    client.ready.then(() => true),
    new Promise<false>(resolve => setImmediate(resolve, false))
  ])
}
