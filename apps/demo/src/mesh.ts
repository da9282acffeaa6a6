import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Cluster, Image } from '@culvert/lab'

const root: string = path.resolve(import.meta.dirname, '../../..')
const launcher = (app: string): string => path.join(root, 'apps', app, 'bin', app)

/** One service of the bookstore, and what `pods.exec` runs to ask for a page from inside a pod. */
export const bookstore: string = launcher('bookstore')

/** What the manifests' image names stand for on this machine. */
export const images: Record<string, Image> = {
  'culvert/istiod-lite': { command: [launcher('istiod-lite')] },
  'culvert/node-agent': {
    command: [launcher('node-agent')],
    files: { '/opt/cni/bin/istio-cni': path.join(root, 'apps/cni-plugin/build/istio-cni') }
  },
  'culvert/ztunnel': { command: [launcher('ztunnel')] },
  'culvert/bookstore': { command: [bookstore] }
}

export const sample = (name: string): string =>
  readFileSync(path.join(root, 'deploy/samples/bookstore', `${name}.yaml`), 'utf8')

/** The manifests of the control plane, the node agent and the node proxy. */
export async function installMesh(cluster: Cluster): Promise<void> {
  for (const name of readdirSync(path.join(root, 'deploy/mesh')).sort()) {
    await cluster.apply(readFileSync(path.join(root, 'deploy/mesh', name), 'utf8'))
  }
}

export async function meshReady(cluster: Cluster): Promise<void> {
  const namespace = 'istio-system'
  await Promise.all([
    cluster.rollout('Deployment', { namespace, name: 'istiod' }),
    cluster.rollout('DaemonSet', { namespace, name: 'istio-cni-node' }),
    cluster.rollout('DaemonSet', { namespace, name: 'ztunnel' })
  ])
}
