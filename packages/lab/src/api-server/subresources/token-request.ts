import { issuer } from '../auth/service-account-tokens.ts'
import type { Cluster } from '../cluster-state.ts'
import { type Fields, isFields, type KubeObject, timestamp } from '../objects.ts'
import type { Target } from '../operations.ts'
import { contentType, parseObject, readBody } from '../request-body.ts'
import { type RequestContext, sendJson } from '../request-context.ts'
import { badRequest, conflict, type FieldError, forbidden, invalid, methodNotAllowed, notFound } from '../status.ts'
import { invalidValue } from '../validation/field-errors.ts'

const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' }
const shortestSeconds = 600
const longestSeconds = 2 ** 32

/** POST serviceaccounts/NAME/token: a token for the account, bound to a pod if the request says so. */
export async function requestToken(cluster: Cluster, target: Target, context: RequestContext): Promise<void> {
  if (context.method !== 'POST') throw methodNotAllowed()
  const body = parseObject(await readBody(context.request), contentType(context.request))
  const spec = isFields(body.spec) ? body.spec : {}
  const serviceAccount = cluster.operations.read(target)
  const { audiences, expirationSeconds } = readSpec(spec, target.name)
  const pod = boundPod(cluster, spec.boundObjectRef, serviceAccount)
  const nodeName = (pod?.spec as { nodeName?: string } | undefined)?.nodeName
  const node = nodeName === undefined ? undefined : cluster.store.get('/nodes', undefined, nodeName)
  const { token, expires } = await cluster.tokens.issue({
    serviceAccount,
    audiences,
    expirationSeconds,
    ...(pod === undefined ? {} : { pod }),
    ...(node === undefined ? {} : { node })
  })
  sendJson(context.response, 201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: target.name, namespace: target.namespace, creationTimestamp: timestamp(cluster.now()) },
    spec: { ...spec, audiences, expirationSeconds },
    status: { token, expirationTimestamp: timestamp(expires) }
  })
}

function readSpec(spec: Fields, name: string): { audiences: string[]; expirationSeconds: number } {
  const errors: FieldError[] = []
  const { audiences = [], expirationSeconds = 3600 } = spec
  if (!Array.isArray(audiences) || !audiences.every(audience => typeof audience === 'string')) {
    throw badRequest('spec.audiences: must be a list of strings')
  }
  if (typeof expirationSeconds !== 'number' || !Number.isSafeInteger(expirationSeconds)) {
    throw badRequest('spec.expirationSeconds: must be a whole number')
  }
  if (expirationSeconds < shortestSeconds) {
    errors.push(
      invalidValue('spec.expirationSeconds', expirationSeconds, 'may not specify a duration less than 10 minutes')
    )
  }
  if (expirationSeconds > longestSeconds) {
    errors.push(
      invalidValue('spec.expirationSeconds', expirationSeconds, 'may not specify a duration larger than 2^32 seconds')
    )
  }
  if (errors.length > 0) throw invalid(kind, name, errors)
  return { audiences: audiences.length === 0 ? [issuer] : audiences, expirationSeconds }
}

function boundPod({ store }: Cluster, reference: unknown, serviceAccount: KubeObject): KubeObject | undefined {
  if (!isFields(reference)) return undefined
  const { kind: boundKind, name, uid } = reference
  if (boundKind !== 'Pod')
    throw badRequest(`cannot bind token for serviceaccount to object type ${String(boundKind).slice(0, 50)}`)
  const { namespace } = serviceAccount.metadata
  const pod = store.get('/pods', namespace, String(name))
  const subject = { group: '', plural: 'pods' }
  if (pod === undefined) throw notFound(subject, String(name))
  if (typeof uid === 'string' && uid !== '' && uid !== pod.metadata.uid) {
    throw conflict(
      subject,
      String(name),
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`
    )
  }
  const account = (pod.spec as { serviceAccountName?: string }).serviceAccountName ?? 'default'
  if (account !== serviceAccount.metadata.name) {
    throw forbidden(
      subject,
      String(name),
      `cannot bind token for serviceaccount "${serviceAccount.metadata.name}" to pod running with different serviceaccount name`
    )
  }
  return pod
}
