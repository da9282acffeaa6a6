import { pipeline } from 'node:stream/promises'
import type { Cluster } from '../cluster-state.ts'
import { booleanOption, numberOption } from '../list-options.ts'
import type { KubeObject } from '../objects.ts'
import type { Target } from '../operations.ts'
import type { RequestContext } from '../request-context.ts'
import { badRequest, internalError, methodNotAllowed, StatusError } from '../status.ts'

/** GET pods/NAME/log: what a container wrote, from the kubelet of its node. */
export async function servePodLog(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  const { method, query, response } = context
  if (method !== 'GET') throw methodNotAllowed()
  const pod = cluster.operations.read(target)
  const container = chooseContainer(pod, query.get('container') ?? '')
  const kubelet = kubeletOf(cluster, pod, container)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const sinceTime = query.get('sinceTime')
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime))) throw badRequest('sinceTime: must be an RFC 3339 time')
  const follow = booleanOption(query, 'follow')
  try {
    const log = await kubelet.log(pod, {
      container,
      follow,
      previous: booleanOption(query, 'previous'),
      timestamps: booleanOption(query, 'timestamps'),
      tailLines: numberOption(query, 'tailLines'),
      sinceSeconds: numberOption(query, 'sinceSeconds'),
      sinceTime: sinceTime === null ? undefined : new Date(sinceTime),
      limitBytes: numberOption(query, 'limitBytes'),
      signal: AbortSignal.any([gone.signal, cluster.signal])
    })
    response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' })
    if (follow) response.flushHeaders()
    await pipeline(log, response)
  } catch (error) {
    // The client left, or the server ends: nobody is there to be told.
    if (gone.signal.aborted || cluster.signal.aborted) return
    if (error instanceof StatusError) throw error
    throw internalError(error instanceof Error ? error.message : String(error))
  }
}

/** The container that is meant: the only one, or the annotated default, or the one asked for. */
export function chooseContainer(pod: KubeObject, asked: string): string {
  const spec = pod.spec as { containers: { name: string }[]; initContainers?: { name: string }[] }
  const names = spec.containers.map(({ name }) => name)
  const all = [...names, ...(spec.initContainers ?? []).map(({ name }) => name)]
  const { name } = pod.metadata
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked.slice(0, 100)} is not valid for pod ${name}`)
    return asked
  }
  if (names.length === 1) return names[0]!
  const annotated = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container']
  if (annotated !== undefined && names.includes(annotated)) return annotated
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]`)
}

export function kubeletOf(
  cluster: Cluster,
  pod: KubeObject,
  container: string
): NonNullable<ReturnType<Cluster['kubelets']['get']>> {
  const { nodeName } = pod.spec as { nodeName?: string }
  if (nodeName === undefined) {
    throw badRequest(`container "${container}" in pod "${pod.metadata.name}" is waiting to start: no node assigned`)
  }
  const kubelet = cluster.kubelets.get(nodeName)
  if (kubelet === undefined) throw internalError(`no kubelet of node "${nodeName}" is connected to the API server`)
  return kubelet
}
