/**
 * A Kubernetes API server in this process, for kubectl and @kubernetes/client-node as they are:
 *
 *     await using server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
 *     writeFileSync('kubeconfig', server.adminKubeconfig())
 *     // KUBECONFIG=kubeconfig kubectl get namespaces
 *
 * It keeps everything in memory and lets every authenticated user do everything: RBAC objects are stored, not enforced,
 * and access reviews always allow. Disruption budgets, quotas, limit ranges, network policies and webhook configurations
 * are stored only; CEL rules of custom resources are not evaluated. Answers are JSON; requests may be JSON, YAML or, for
 * the built-in kinds but CustomResourceDefinitions, protobuf.
 */
export { type ApiServer, type ApiServerOptions, startApiServer } from './api-server.ts'
export type { ExecOptions, ExecProcess, Kubelet, LogOptions } from './kubelets.ts'
export type { KubeObject } from './objects.ts'
