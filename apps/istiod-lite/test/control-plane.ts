import { setTimeout as sleep } from 'node:timers/promises'
import {
  createKubernetesClient,
  kubeConfigFromText,
  type KubernetesClient,
  namespaces,
  pods,
  serviceAccounts,
  type V1Pod,
  type V1TokenRequest
} from '@culvert/kubernetes'
import { createLog, parseScopeLevels } from '@culvert/telemetry'
// The API server alone, without the rest of a cluster.
import { startApiServer } from '@culvert/lab/api-server'
import { createIstiod } from '../src/istiod.ts'
import { parseArguments } from '../src/settings/arguments.ts'
import { defaultMeshConfig } from '../src/settings/mesh-config.ts'
import { readSettings } from '../src/settings/settings.ts'

export interface ControlPlane extends AsyncDisposable {
  readonly client: KubernetesClient
  /** PEM of the mesh root, as every namespace gets it. */
  readonly root: string
  readonly securePort: number
  readonly plainPort: number
  readonly httpPort: number
  readonly monitoringPort: number
  readonly log: string[]
  /** Stops istiod and leaves the API server. */
  stop(): Promise<void>
  createNamespace(name: string, labels?: Record<string, string>): Promise<void>
  createAccount(namespace: string, name: string): Promise<void>
  /** Waits until the names of the published addresses satisfy `enough`. */
  published(enough: (names: readonly string[]) => boolean): Promise<void>
  createPod(pod: V1Pod): Promise<V1Pod>
  /** A token as the kubelet mounts it, bound to the pod when there is one. */
  token(ref: { namespace: string; serviceAccount: string; pod?: V1Pod }): Promise<string>
}

export interface ControlPlaneOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly arguments?: readonly string[]
  readonly trustDomain?: string
  /** Another instance on the same API server. */
  readonly beside?: ControlPlane
  /** Objects that are there before istiod starts. */
  readonly prepare?: (client: KubernetesClient) => Promise<void>
}

const anyPort = [
  '--httpAddr=127.0.0.1:0',
  '--monitoringAddr=127.0.0.1:0',
  '--grpcAddr=127.0.0.1:0',
  '--secureGRPCAddr=127.0.0.1:0'
]

/** A real API server and a real istiod in this process, on ports of their own. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const disposers: (() => Promise<void> | void)[] = []
  let client: KubernetesClient
  if (options.beside !== undefined) client = options.beside.client
  else {
    const api = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    disposers.push(() => api.close())
    client = createKubernetesClient(await kubeConfigFromText(api.adminKubeconfig()))
    disposers.push(() => client.close())
    await client.create(namespaces, { metadata: { name: 'istio-system' } })
  }
  await options.prepare?.(client)
  const environment: Record<string, string> = {
    PILOT_ENABLE_AMBIENT: 'true',
    POD_NAMESPACE: 'istio-system',
    CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
    PILOT_DEBOUNCE_AFTER: '5ms',
    ...options.environment
  }
  const flags = parseArguments(['discovery', ...anyPort, ...(options.arguments ?? [])])
  const mesh = {
    ...defaultMeshConfig,
    ...(options.trustDomain === undefined ? {} : { trustDomain: options.trustDomain })
  }
  const log: string[] = []
  const istiod = createIstiod(
    readSettings({ get: name => environment[name] }, flags, mesh),
    client,
    createLog({ style: 'go', json: false, filter: parseScopeLevels('default:debug'), write: line => log.push(line) })
  )
  const stop = new AbortController()
  const addresses = await istiod.start({ signal: stop.signal })
  const stopIstiod = (): Promise<void> => istiod.drain({ deadline: AbortSignal.timeout(200) })
  disposers.unshift(stopIstiod)

  return {
    client,
    root: addresses.rootBundle ?? '',
    securePort: addresses.secureGrpc?.port ?? 0,
    plainPort: addresses.plainGrpc?.port ?? 0,
    httpPort: addresses.http.port,
    monitoringPort: addresses.monitoring.port,
    log,
    stop: stopIstiod,
    async createNamespace(name, labels) {
      await client.create(namespaces, { metadata: { name, ...(labels === undefined ? {} : { labels }) } })
    },
    async createAccount(namespace, name) {
      await client.create(serviceAccounts, { metadata: { namespace, name } })
    },
    async published(enough) {
      for (;;) {
        const page = await fetch(`http://127.0.0.1:${addresses.http.port}/debug/ambientz`)
        const { workloads, services } = (await page.json()) as {
          workloads: { uid: string }[]
          services: { hostname: string }[]
        }
        if (enough([...workloads.map(({ uid }) => uid), ...services.map(({ hostname }) => hostname)])) return
        await sleep(10)
      }
    },
    async createPod(pod) {
      const { status, ...rest } = pod
      const made = await client.create(pods, {
        ...rest,
        spec: { containers: [{ name: 'app', image: 'x' }], ...rest.spec }
      } as V1Pod)
      if (status === undefined) return made
      return client.replace(pods, { ...made, status }, { subresource: 'status' })
    },
    async token({ namespace, serviceAccount, pod }) {
      const known = await client.get(serviceAccounts, { namespace, name: serviceAccount })
      if (known === undefined) await client.create(serviceAccounts, { metadata: { namespace, name: serviceAccount } })
      const { name = '', uid = '' } = pod?.metadata ?? {}
      const bound = pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid } }
      const review = await client.createSubresource<V1TokenRequest>(
        serviceAccounts,
        { namespace, name: serviceAccount },
        'token',
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['istio-ca'], ...bound } }
      )
      return review.status?.token ?? ''
    },
    async [Symbol.asyncDispose]() {
      for (const dispose of disposers) await dispose()
    }
  }
}
