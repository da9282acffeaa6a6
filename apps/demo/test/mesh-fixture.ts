import { namespaces, pods, type V1Pod } from '@culvert/kubernetes'
import { type Cluster, createCluster, type Image } from '@culvert/lab'
import { bookstore, customResources, images, installMesh, meshReady } from '../src/mesh.ts'

/** A cluster of two nodes with the mesh on it and an enrolled namespace `shop`: a store on node-2, a customer on node-1. */
export interface Mesh extends AsyncDisposable {
  readonly cluster: Cluster
  /** Asks for a URL from inside a pod of `shop`; the answer's text, or undefined when it failed. */
  ask: (pod: string, url: string) => Promise<string | undefined>
  /** What the customer, who keeps one connection to the store in use, has told so far. */
  customer: () => Promise<readonly string[]>
  /** The pod of the mesh with this label `app` or `k8s-app` on a node. */
  program: (label: string, node?: string) => Promise<V1Pod>
  /** SIGKILL to the program of a pod. */
  kill: (pod: V1Pod) => void
  /** Looks until something is found, with a generous bound. */
  eventually: <T>(what: string, look: () => Promise<T | undefined>, timeoutMs?: number) => Promise<T>
}

const shop = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Service
metadata: { name: store, namespace: shop }
spec:
  selector: { app: store }
  ports: [{ name: tcp, port: 7000 }]
---
apiVersion: v1
kind: Service
metadata: { name: details, namespace: shop }
spec:
  selector: { app: details }
  ports: [{ name: http, port: 9080 }]
---
${pod('store', 'node-2', ['store'])}
---
${pod('details', 'node-2', ['details'])}
---
${pod('customer', 'node-1', ['regular'])}
`

export function pod(name: string, node: string, args: readonly string[]): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec:
  nodeSelector: { kubernetes.io/hostname: ${node} }
  containers: [{ name: main, image: culvert/bookstore, args: [${args.join(', ')}] }]
`
}

const eventually: Mesh['eventually'] = async (what, look, timeoutMs = 30_000) => {
  const until = Date.now() + timeoutMs
  for (let pause = 20; Date.now() < until; pause = Math.min(pause * 1.5, 250)) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, pause))
  }
  throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
}

/** With `replaced`, other programs stand behind the manifests' image names. */
export async function startMesh(replaced: Readonly<Record<string, Image>> = {}): Promise<Mesh> {
  const cluster = await createCluster({ nodes: 2, images: { ...images, ...replaced }, crds: customResources() })
  try {
    await installMesh(cluster)
    await meshReady(cluster)
    await cluster.apply(shop)
    await cluster.pods.ready({ namespace: 'shop', count: 3 })
    await eventually('the customer’s connection to the store', async () => (await customer(cluster)).at(-1))
  } catch (error) {
    await cluster.close()
    throw error
  }

  return {
    cluster,
    eventually,
    ask: async (name, url) => {
      const { code, stdout } = await cluster.pods.exec({ namespace: 'shop', name }, [bookstore, 'ask', url])
      return code === 0 ? stdout.trim() : undefined
    },
    customer: () => customer(cluster),
    program: async (label, node) => {
      const query = {
        namespace: 'istio-system',
        labelSelector: label,
        ...(node ? { fieldSelector: `spec.nodeName=${node}` } : {})
      }
      const [found] = (await cluster.client.list(pods, query)).items
      if (found === undefined) throw new Error(`no pod with ${label} on ${node ?? 'any node'}`)
      return found
    },
    kill: ({ metadata }) => {
      process.kill(cluster.pods.pid({ namespace: metadata!.namespace!, name: metadata!.name! }), 'SIGKILL')
    },
    [Symbol.asyncDispose]: () => cluster.close()
  }
}

export async function label(cluster: Cluster, name: string, labels: Record<string, string | null>): Promise<void> {
  await cluster.client.patch(namespaces, { name }, { metadata: { labels } }, { type: 'merge' })
}

async function customer(cluster: Cluster): Promise<string[]> {
  return (await cluster.pods.logs({ namespace: 'shop', name: 'customer' })).split('\n').filter(line => line !== '')
}
