import { createAuthorizer } from '@culvert/authorization'
import { createCertificateAuthority, readCertificateChain, selfSignedRoot } from '@culvert/certificates'
import { parseBaggage } from '@culvert/hbone'
import { createCsr } from '@culvert/spiffe'
import { createLog, createMetrics, type Metrics, parseLogFilter } from '@culvert/telemetry'
import type { CapturedConnection, ConnectionDecision, HeaderField, PodHandler, Tunnel } from '@culvert/tunnel'
import { type AddressUpdate, createPolicyStore, createWorkloadIndex, type PolicyStore } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { createAccessLog } from '../observe/access-log.ts'
import { createConnectionRecords } from '../observe/connection-records.ts'
import { declareTrafficMetrics } from '../observe/traffic-metrics.ts'
import type { NodeContext } from './context.ts'
import { createLiveConnections, type LiveConnections } from './live-connections.ts'
import { createPodHandler } from './pod-handler.ts'

const root = await selfSignedRoot({ organization: 'test', ttlSeconds: 3_600 })
const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })

async function fetchCertificate(identity: string): ReturnType<NodeContext['certificates']['certificate']> {
  const { csr, privateKey } = await createCsr(identity)
  const chain = await authority.sign({ csr, sans: [identity], ttlSeconds: 60 })
  return readCertificateChain(chain, identity, privateKey, identity)
}

const labels = { workloadName: 'cart', workloadType: 'deployment', canonicalName: 'cart', canonicalRevision: 'v3' }
export const cart: AddressUpdate = workloadUpdate({
  uid: 'c//Pod/shop/cart-0',
  name: 'cart-0',
  serviceAccount: 'cart',
  workloadIps: ['10.61.0.7'],
  network: 'n1',
  locality: { region: 'eu-1', zone: 'a', subzone: '' },
  ...labels
})
const stock = workloadUpdate({
  uid: 'c//Pod/shop/stock-0',
  name: 'stock-0',
  serviceAccount: 'stock',
  workloadIps: ['10.61.4.20'],
  network: 'n1',
  workloadName: 'stock',
  canonicalName: 'stock',
  services: new Map([['shop/stock.shop.svc', ports({ 80: 8080 })]])
})
export const stockService: AddressUpdate = serviceUpdate({
  hostname: 'stock.shop.svc',
  vips: [{ network: 'n1', ip: '10.200.5.9' }]
})

interface Scene {
  readonly handler: PodHandler
  readonly lines: string[]
  readonly live: LiveConnections
  readonly policies: PolicyStore
  readonly metrics: Metrics
  readonly cut: number[]
}

export function scene(
  options: {
    updates?: AddressUpdate[]
    pod?: { name: string; serviceAccount: string }
    certificate?: NodeContext['certificates']['certificate']
    responseBaggage?: boolean
    lookUp?: (name: string, family: 'A' | 'AAAA') => Promise<readonly string[]>
  } = {}
): Scene {
  const lines: string[] = []
  const log = createLog({
    style: 'ztunnel',
    json: false,
    filter: parseLogFilter('debug'),
    write: line => lines.push(line.trimEnd())
  })
  const index = createWorkloadIndex()
  index.apply({ updates: options.updates ?? [cart, stock, stockService], removals: [] })
  const policies = createPolicyStore()
  const metrics = createMetrics()
  const traffic = declareTrafficMetrics(metrics)
  const accessLog = createAccessLog(log.scope('access'))
  const live = createLiveConnections()
  const cut: number[] = []
  const node: NodeContext = {
    routing: {
      index,
      network: 'n1',
      illegalPorts: new Set([15001, 15006, 15008]),
      onDemand: false,
      localhostAppTunnel: true,
      random: () => 0
    },
    index,
    authorizer: createAuthorizer(policies),
    certificates: { certificate: options.certificate ?? fetchCertificate },
    answers: () => ({ demand: async () => undefined, resolve: async () => undefined }),
    records: createConnectionRecords({ accessLog, metrics: traffic }),
    accessLog,
    sockets: traffic.sockets,
    revoked: traffic.revoked,
    log: log.scope('ztunnel::proxy'),
    responseBaggage: options.responseBaggage ?? true,
    readBaggage: parseBaggage
  }
  const handler = createPodHandler(node, {
    identity: { namespace: 'shop', ...(options.pod ?? { name: 'cart-0', serviceAccount: 'cart' }) },
    live,
    ...(options.lookUp === undefined ? {} : { lookUp: options.lookUp }),
    path: () => ({ cut: (id: number) => cut.push(id) }) as never
  })
  return { handler, lines, live, policies, metrics, cut }
}

export const captured = (ip: string, port: number): CapturedConnection => ({
  id: 1,
  role: 'outbound',
  source: { ip: '10.61.0.7', port: 51000 },
  destination: { ip, port }
})

export async function tunnelOf(decision: ConnectionDecision | Promise<ConnectionDecision>): Promise<Tunnel> {
  const decided = await decision
  if (decided.kind !== 'tunnel') throw new Error(`decided ${decided.kind}`)
  return decided
}

export const header = (headers: readonly HeaderField[], name: string): string | undefined =>
  headers.find(([key]) => key === name)?.[1]
