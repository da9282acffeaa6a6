import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createAuthenticator } from './auth/authenticate.ts'
import { createClusterAuthority } from './auth/pki.ts'
import { createServiceAccountTokens } from './auth/service-account-tokens.ts'
import { bootstrap, publishService } from './bootstrap.ts'
import { firstAddress } from './defaults/service-addresses.ts'
import { createCluster } from './create-cluster.ts'
import { handleRequest } from './handle-request.ts'
import type { Kubelet } from './kubelets.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { Fields } from './objects.ts'
import { createUpgradeHandler } from './streams/upgrade.ts'
import { createStore } from './store.ts'

export interface ApiServerOptions {
  /** Where to listen: an address and port (0 for any), or a bound socket made elsewhere, such as in another namespace. */
  readonly listen: readonly ({ readonly host: string; readonly port: number } | { readonly fd: number })[]
  /** Further names and addresses the certificate is for. */
  readonly subjectAltNames?: readonly string[]
  /** CustomResourceDefinitions to install, beside minimal ones of the mesh APIs for kinds not among them. */
  readonly crds?: readonly Fields[]
  /** Range of the services' addresses. */
  readonly serviceCidr?: string
  /** Where the service `kubernetes` leads; the first listener unless said. */
  readonly advertise?: { readonly address: string; readonly port: number }
  /** Changes kept for watches that resume. */
  readonly historyLimit?: number
  readonly bookmarkIntervalMs?: number
  /** Requests that failed inside the server. */
  readonly onError?: (error: unknown) => void
  readonly now?: () => Date
}

export interface ApiServer {
  /** Of the first listener. */
  readonly url: string
  /** One per listener, in their order. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  /** PEM. */
  readonly caCertificate: string
  readonly adminToken: string
  /** For kubectl and @kubernetes/client-node; `server` replaces the URL of the first listener. */
  adminKubeconfig(server?: string): string
  /** A kubeconfig with a client certificate of its own, for example for `system:node:one` in `system:nodes`. */
  kubeconfig(o: { user: string; groups?: readonly string[]; server?: string }): Promise<string>
  /** Who serves logs and port-forwards of the pods of a node. */
  setKubelet(node: string, kubelet: Kubelet | undefined): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Go's client lets go after 90 s. */
const keepAliveMs = 120_000

const defaultServiceCidr = '10.96.0.0/16'

/** Starts a Kubernetes API server in this process, with everything in memory. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const now = options.now ?? (() => new Date())
  const onError = options.onError ?? (() => {})
  const authority = await createClusterAuthority()
  const serverCertificate = await authority.issueServer(subjectAltNames(options))
  const adminCertificate = await authority.issueClient('kubernetes-admin', ['system:masters'])
  const adminToken = randomBytes(32).toString('base64url')
  const store = createStore(options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit })
  const tokens = await createServiceAccountTokens(store, now)
  const closing = new AbortController()
  const cluster = createCluster({
    store,
    tokens,
    now,
    serviceCidr: options.serviceCidr ?? defaultServiceCidr,
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
    signal: closing.signal,
    onError
  })
  bootstrap(cluster, { crds: options.crds ?? [], caCertificate: authority.certificate })

  const authenticate = createAuthenticator({ adminToken, tokens })
  const onUpgrade = createUpgradeHandler({ cluster, authenticate, onError })
  const closers: (() => Promise<void>)[] = []
  const addresses: { address: string; port: number }[] = []

  async function close(): Promise<void> {
    closing.abort()
    await Promise.all(closers.map(close => close()))
  }

  try {
    for (const listen of options.listen) {
      const server = createServer({
        key: serverCertificate.privateKey,
        cert: serverCertificate.certificate,
        ca: authority.certificate,
        requestCert: true,
        // A token may stand in for a certificate; authentication decides.
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1']
      })
      const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
        void handleRequest(cluster, authenticate, request, response, onError)
      server.on('request', onRequest)
      server.on('upgrade', onUpgrade)
      server.on('clientError', (_, socket) => socket.destroy())
      server.on('tlsClientError', (_, socket) => socket.destroy())
      // Longer than clients keep idle connections: one that is closed while a request is on its way looks like a failure.
      server.keepAliveTimeout = keepAliveMs
      closers.push(closerOf(server))
      await listening(server, listen)
      const { address, port } = server.address() as AddressInfo
      addresses.push({ address, port })
    }
  } catch (error) {
    await close()
    throw error
  }

  const url = urlOf(addresses[0])
  const advertised = options.advertise ?? addresses[0]!
  publishService(cluster, { clusterIp: firstAddress(options.serviceCidr ?? defaultServiceCidr), ...advertised })
  const credentials = { user: 'kubernetes-admin', ...adminCertificate, token: adminToken }
  const base = { caCertificate: authority.certificate }
  return {
    url,
    addresses,
    caCertificate: authority.certificate,
    adminToken,
    adminKubeconfig: (server = url) => writeKubeconfig({ ...base, server, ...credentials }),
    async kubeconfig({ user, groups = [], server = url }) {
      return writeKubeconfig({ ...base, server, user, ...(await authority.issueClient(user, groups)) })
    },
    setKubelet: (node, kubelet) => cluster.kubelets.set(node, kubelet),
    close,
    [Symbol.asyncDispose]: close
  }
}

function subjectAltNames({ listen, subjectAltNames = [] }: ApiServerOptions): string[] {
  const hosts = listen.flatMap(one => ('host' in one ? [one.host] : []))
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  return [...new Set(['127.0.0.1', '10.96.0.1', 'localhost', ...service, ...hosts, ...subjectAltNames])]
}

function urlOf(address: { address: string; port: number } | undefined): string {
  if (address === undefined) throw new RangeError('startApiServer: listen is empty; name at least one address')
  const host = address.address.includes(':') ? `[${address.address}]` : address.address
  return `https://${host}:${address.port}`
}

function listening(server: Server, listen: ApiServerOptions['listen'][number]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Ends the server with every connection it has. Its own `closeAllConnections` knows only those that speak HTTP already: one
 * still in its TLS handshake would be served afterwards, and a watch on it would keep the server for ever.
 */
function closerOf(server: Server): () => Promise<void> {
  const connections = new Set<Socket>()
  server.on('connection', (connection: Socket) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
  })
  return () =>
    new Promise(resolve => {
      server.close(() => resolve())
      for (const connection of connections) connection.destroy()
    })
}
