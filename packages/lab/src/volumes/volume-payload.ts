import type { V1Pod, V1Volume } from '@culvert/kubernetes'
import { LabError } from '../errors.ts'
import type { ObjectSources } from '../kubelet/object-sources.ts'
import { containerResource, type PodFacts, podField } from '../kubelet/pod-fields.ts'
import { checkedItemPath, type Payload } from './payload-directory.ts'

export interface PayloadInput {
  readonly pod: V1Pod
  readonly facts: PodFacts
  readonly sources: ObjectSources
  /** The current token of the pod's service account for an audience, renewed in time by whoever answers. */
  readonly token: (request: TokenNeed) => Promise<string>
}

export interface TokenNeed {
  /** Absent: the API server's own. */
  readonly audience: string | undefined
  readonly expirationSeconds: number
}

type Projection = NonNullable<NonNullable<V1Volume['projected']>['sources']>[number]
type Items = { key: string; path: string; mode?: number | undefined }[] | undefined
type Files = Map<string, { data: Buffer; mode: number }>

/** The files of a volume made from API objects, or undefined for another kind of volume. */
export async function volumePayload(volume: V1Volume, input: PayloadInput): Promise<Payload | undefined> {
  const { configMap, secret, projected, downwardAPI } = volume
  const files: Files = new Map()
  const add = (source: Projection, mode: number | undefined): Promise<void> =>
    addProjection(files, source, mode ?? 0o644, input)
  if (configMap) await add({ configMap }, configMap.defaultMode)
  else if (secret) await add({ secret: { ...secret, name: secret.secretName ?? '' } }, secret.defaultMode)
  else if (downwardAPI) await add({ downwardAPI }, downwardAPI.defaultMode)
  else if (projected) for (const source of projected.sources ?? []) await add(source, projected.defaultMode)
  else return undefined
  return files
}

async function addProjection(files: Files, source: Projection, mode: number, input: PayloadInput): Promise<void> {
  const namespace = input.pod.metadata!.namespace!
  if (source.configMap) {
    const { name = '', items, optional } = source.configMap
    const object = input.sources.configMap(namespace, name)
    if (object === undefined && !optional) throw missing('configmap', name)
    const texts = Object.entries(object?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const)
    const binaries = Object.entries(object?.binaryData ?? {}).map(
      ([key, text]) => [key, Buffer.from(text, 'base64')] as const
    )
    addItems(files, new Map([...texts, ...binaries]), items, mode, `configmap ${name}`, optional)
  }
  if (source.secret) {
    const { name = '', items, optional } = source.secret
    const object = input.sources.secret(namespace, name)
    if (object === undefined && !optional) throw missing('secret', name)
    const data = Object.entries(object?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const)
    addItems(files, new Map(data), items, mode, `secret ${name}`, optional)
  }
  if (source.downwardAPI) {
    for (const item of source.downwardAPI.items ?? []) {
      const text = item.fieldRef
        ? podField(item.fieldRef.fieldPath, input.pod, input.facts)
        : resourceText(item.resourceFieldRef, input.pod)
      files.set(checkedItemPath(item.path), { data: Buffer.from(text), mode: item.mode ?? mode })
    }
  }
  if (source.serviceAccountToken) {
    const { audience, expirationSeconds = 3600, path } = source.serviceAccountToken
    const token = await input.token({ audience: audience || undefined, expirationSeconds })
    files.set(checkedItemPath(path), { data: Buffer.from(token), mode })
  }
}

function addItems(
  files: Files,
  data: ReadonlyMap<string, Buffer>,
  items: Items,
  mode: number,
  origin: string,
  optional: boolean | undefined
): void {
  if (items === undefined) {
    for (const [key, bytes] of data) files.set(checkedItemPath(key), { data: bytes, mode })
    return
  }
  for (const item of items) {
    const bytes = data.get(item.key)
    if (bytes === undefined && optional) continue
    if (bytes === undefined) {
      throw new LabError('LAB_VOLUME', `${origin} references non-existent key: ${item.key}`)
    }
    files.set(checkedItemPath(item.path), { data: bytes, mode: item.mode ?? mode })
  }
}

function resourceText(
  ref: { resource: string; containerName?: string; divisor?: string } | undefined,
  pod: V1Pod
): string {
  if (ref === undefined)
    throw new LabError('LAB_VOLUME', 'a downward API item has neither fieldRef nor resourceFieldRef')
  const container = pod.spec!.containers.find(({ name }) => name === ref.containerName)
  if (!container) throw new LabError('LAB_VOLUME', `container ${ref.containerName} of a resourceFieldRef not found`)
  return containerResource(ref.resource, container, ref.divisor)
}

const missing = (kind: string, name: string): LabError => new LabError('LAB_VOLUME', `${kind} "${name}" not found`)
