/**
 * ZDS: how the node agent hands pods to ztunnel, one open network namespace each, over a SEQPACKET socket.
 *
 *     // node agent
 *     const server = createZdsServer({ path, snapshot: () => cache.pods(), log })
 *     server.accept()
 *     await server.add(uid, { name, namespace, serviceAccount }, netns)
 *
 *     // ztunnel
 *     const pods = createPodSet({ start: pod => startProxy(pod), log, onReady: ready => task.set(ready) })
 *     const client = createZdsClient({ path, handler: pods, log, onFatal: () => process.exit(1) })
 *     client.start()
 */
export { createZdsClient, type ZdsClient, type ZdsClientOptions, type ZdsHandler } from './client.ts'
export { ZdsError, type ZdsErrorCode } from './errors.ts'
export type { ZdsLog } from './log.ts'
export type { WorkloadInfo } from './messages.ts'
export { createPodSet, type Pod, type PodProxy, type PodSet, type PodSetOptions } from './pod-set.ts'
export { createZdsServer, type SnapshotPod, type ZdsServer, type ZdsServerOptions } from './server.ts'
