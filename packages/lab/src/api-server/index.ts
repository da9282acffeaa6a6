/**
 * A Kubernetes API server in this process, for kubectl and @kubernetes/client-node as they are:
 *
 *     await using server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
 *     writeFileSync('kubeconfig', server.adminKubeconfig())
 *     // KUBECONFIG=kubeconfig kubectl get namespaces
 *
 * It keeps everything in memory and lets every authenticated user do everything: RBAC objects are stored, not enforced.
 */
export { type ApiServer, type ApiServerOptions, startApiServer } from './api-server.ts'
export type { ExecOptions, ExecProcess, Kubelet, LogOptions } from './kubelets.ts'
export type { KubeObject } from './objects.ts'
