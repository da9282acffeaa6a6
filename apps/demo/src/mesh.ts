import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Cluster, Image } from '@culvert/lab'

const root: string = path.resolve(import.meta.dirname, '../../..')
const launcher = (app: string): string => path.join(root, 'apps', app, 'bin', app)

/** One service of the bookstore, and what `pods.exec` runs to ask for a page from inside a pod. */
export const bookstore: string = launcher('bookstore')

/**
 * What every image brings: the checkout, which may lie where a pod mounts something else, such as below /tmp; and Node's
 * compile cache, without which every container compiles our sources again.
 */
const checkout = { files: { [root]: root }, caches: [path.join(root, 'node_modules/.cache/culvert')] }
const plugin = path.join(root, 'apps/cni-plugin/build/istio-cni')

/** What the manifests' image names stand for on this machine. */
export const images: Record<string, Image> = {
  'culvert/istiod-lite': { ...checkout, command: [launcher('istiod-lite')] },
  'culvert/node-agent': {
    ...checkout,
    command: [launcher('node-agent')],
    files: { ...checkout.files, '/opt/cni/bin/istio-cni': plugin }
  },
  'culvert/ztunnel': { ...checkout, command: [launcher('ztunnel')] },
  'culvert/bookstore': { ...checkout, command: [bookstore] }
}

/** The custom resource definitions, as one YAML text. */
export function customResources(): string {
  const dir = path.join(root, 'deploy/crds')
  return readdirSync(dir)
    .sort()
    .map(name => readFileSync(path.join(dir, name), 'utf8'))
    .join('---\n')
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
