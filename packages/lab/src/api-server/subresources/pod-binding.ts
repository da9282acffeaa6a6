import type { Cluster } from '../cluster-state.ts'
import { copy, isFields } from '../objects.ts'
import type { Target } from '../operations.ts'
import { contentType, parseObject, readBody } from '../request-body.ts'
import { type RequestContext, sendJson } from '../request-context.ts'
import { badRequest, conflict, methodNotAllowed } from '../status.ts'

/** POST pods/NAME/binding: how a scheduler gives a pod its node, once. */
export async function bindPod(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  if (context.method !== 'POST') throw methodNotAllowed()
  const body = parseObject(await readBody(context.request), contentType(context.request))
  const node = isFields(body.target) ? body.target.name : undefined
  if (typeof node !== 'string' || node === '') throw badRequest('target.name: Required value: the name of a node')
  cluster.operations.update(target, current => {
    const pod = copy(current)
    const spec = pod.spec as { nodeName?: string }
    if (spec.nodeName !== undefined) {
      throw conflict(
        target.definition,
        target.name,
        `pod ${target.name} is already assigned to node "${spec.nodeName}"`
      )
    }
    spec.nodeName = node
    return pod
  })
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null }
  cluster.operations.update(
    target,
    current => {
      const pod = copy(current)
      const status = (pod.status ?? {}) as { conditions?: { type: string; status: string }[] }
      const others = (status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled')
      const lastTransitionTime = cluster
        .now()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
      return { ...pod, status: { ...status, conditions: [...others, { ...scheduled, lastTransitionTime }] } }
    },
    { subresource: 'status' }
  )
  sendJson(context.response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 })
}
