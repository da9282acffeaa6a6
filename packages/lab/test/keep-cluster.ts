// Starts a cluster with a pod, says what it made, and waits to be killed.
import { createCluster } from '../src/index.ts'
import { podManifest } from './manifests.ts'

const cluster = await createCluster({ nodes: 1 })
await cluster.apply(podManifest({ name: 'left-behind' }))
await cluster.pods.ready({ name: 'left-behind' })
const pids = [cluster.nodes[0]!.pid, cluster.pods.pid({ name: 'left-behind' })]
console.log(JSON.stringify({ id: cluster.id, directory: cluster.directory, pids }))
setInterval(() => {}, 1 << 30)
