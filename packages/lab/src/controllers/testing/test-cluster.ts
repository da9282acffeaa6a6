import {
  createInformer,
  createKubernetesClient,
  type KubernetesClient,
  kubeConfigFromText,
  nodes,
  pods,
  type V1Pod
} from '@culvert/kubernetes'
import { type ApiServer, startApiServer } from '../../api-server/index.ts'
import { startControllers } from '../index.ts'

/** An API server with the controllers and, in place of kubelets, something that says that pods run. */
export interface TestCluster extends AsyncDisposable {
  readonly server: ApiServer
  readonly client: KubernetesClient
  readonly errors: unknown[]
  addNode(name: string, labels?: Record<string, string>): Promise<void>
  /** Whether new pods become ready; those that run stay as they are. */
  readiness: (pod: V1Pod) => boolean
}

export async function startTestCluster(): Promise<TestCluster> {
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }], onError })
  const client = createKubernetesClient(await kubeConfigFromText(server.adminKubeconfig()))
  const stopping = new AbortController()
  await startControllers({ client, signal: stopping.signal, onError })
  const cluster: TestCluster = {
    server,
    client,
    errors,
    readiness: () => true,
    async addNode(name, labels = {}) {
      const conditions = [{ type: 'Ready', status: 'True' }]
      await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, status: { conditions } })
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      client.close()
      await server.close()
    }
  }
  await runPods(cluster, stopping.signal, onError)
  return cluster
}

async function runPods(cluster: TestCluster, signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
  const { client } = cluster
  let addresses = 0
  const informer = createInformer(client, pods)

  async function run(pod: V1Pod): Promise<void> {
    const { namespace, name, uid, deletionTimestamp } = pod.metadata!
    const ref = { namespace, name: name! }
    if (pod.spec?.nodeName === undefined) return
    if (deletionTimestamp !== undefined) {
      await client.delete(pods, ref, { uid, gracePeriodSeconds: 0 })
      return
    }
    const isReady = cluster.readiness(pod)
    const ready = isReady ? 'True' : 'False'
    if (pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === ready)) return
    addresses += pod.status?.podIP === undefined ? 1 : 0
    const podIP = pod.status?.podIP ?? `10.244.0.${addresses}`
    const conditions = [{ type: 'Ready', status: ready }]
    const patch = { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions } }
    await client.patch(pods, ref, patch, { type: 'merge', subresource: 'status' })
  }

  const go = (pod: V1Pod): void => {
    run(pod).catch(error => {
      const passing = ['KUBERNETES_NOT_FOUND', 'KUBERNETES_CONFLICT', 'KUBERNETES_ABORTED', 'KUBERNETES_UNREACHABLE']
      if (!passing.includes(error.code)) onError(error)
    })
  }
  informer.on({ added: go, updated: (_, pod) => go(pod) })
  await informer.start({ signal })
}

/** Waits for what must come true by itself; says what it last saw when it does not. */
export async function eventually<T>(
  read: () => Promise<T>,
  isRight: (value: T) => boolean,
  timeoutMs = 5000
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const value = await read()
    if (isRight(value)) return value
    if (Date.now() > deadline)
      throw new Error(`not true within ${timeoutMs} ms; last seen: ${JSON.stringify(value)?.slice(0, 2000)}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
