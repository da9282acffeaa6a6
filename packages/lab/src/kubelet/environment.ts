import { decodeSecretValue, type V1Container, type V1Pod } from '@culvert/kubernetes'
import { LabError } from '../errors.ts'
import { systemPath } from '../machine/run-command.ts'
import type { Image } from './image-catalogue.ts'
import type { ObjectSources } from './object-sources.ts'
import { containerResource, type PodFacts, podField } from './pod-fields.ts'

export interface EnvironmentInput {
  readonly pod: V1Pod
  readonly container: V1Container
  readonly image: Image
  readonly facts: PodFacts
  readonly sources: ObjectSources
  readonly hostname: string
  readonly kubernetesService: { readonly ip: string; readonly port: number }
}

type Variables = Map<string, string>

/**
 * A container's variables; later sources win: image, service, envFrom, env. Throws with the kubelet's wording when a
 * reference leads nowhere and is not optional.
 */
export function containerEnvironment(input: EnvironmentInput): Map<string, string> {
  const { pod, container, image, kubernetesService } = input
  const variables: Variables = new Map([
    ['PATH', systemPath],
    ['HOME', '/root'],
    ['HOSTNAME', input.hostname],
    ...Object.entries(image.env ?? {}),
    ['KUBERNETES_SERVICE_HOST', kubernetesService.ip],
    ['KUBERNETES_SERVICE_PORT', String(kubernetesService.port)],
    ['KUBERNETES_SERVICE_PORT_HTTPS', String(kubernetesService.port)]
  ])
  const namespace = pod.metadata!.namespace!
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? ''
    const ref = source.configMapRef ?? source.secretRef
    const data = source.configMapRef
      ? input.sources.configMap(namespace, ref!.name!)?.data
      : decodeAll(input.sources.secret(namespace, ref!.name!)?.data)
    if (data === undefined) {
      if (ref?.optional) continue
      throw missing(source.configMapRef ? 'configmap' : 'secret', ref!.name!)
    }
    for (const [name, value] of Object.entries(data)) variables.set(prefix + name, value)
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? referencedValue(variable.valueFrom, input)
      : expandReferences(variable.value ?? '', variables)
    if (value !== undefined) variables.set(variable.name, value)
  }
  return variables
}

type ValueFrom = NonNullable<NonNullable<V1Container['env']>[number]['valueFrom']>

function referencedValue(from: ValueFrom, input: EnvironmentInput): string | undefined {
  const namespace = input.pod.metadata!.namespace!
  if (from.fieldRef) return podField(from.fieldRef.fieldPath, input.pod, input.facts)
  if (from.resourceFieldRef) {
    const { resource, containerName, divisor } = from.resourceFieldRef
    const container = input.pod.spec!.containers.find(({ name }) => name === containerName) ?? input.container
    return containerResource(resource, container, divisor)
  }
  const ref = from.configMapKeyRef ?? from.secretKeyRef
  if (ref === undefined) return ''
  const kind = from.configMapKeyRef ? 'configmap' : 'secret'
  const object = from.configMapKeyRef
    ? input.sources.configMap(namespace, ref.name!)
    : input.sources.secret(namespace, ref.name!)
  const raw = object?.data?.[ref.key]
  if (raw !== undefined) return from.configMapKeyRef ? raw : decodeSecretValue(raw)
  if (ref.optional) return undefined
  if (object === undefined) throw missing(kind, ref.name!)
  throw new LabError('LAB_CONTAINER', `couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`)
}

const missing = (kind: string, name: string): LabError => new LabError('LAB_CONTAINER', `${kind} "${name}" not found`)

function decodeAll(data: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  if (data === undefined) return undefined
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decodeSecretValue(value)]))
}

/** `$(NAME)` becomes the variable's value if there is one, `$$(NAME)` the literal `$(NAME)`. */
export function expandReferences(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (whole === '$$') return '$'
    return variables.get(name!) ?? whole
  })
}

/** The command line: `command` replaces the image's and drops its arguments, `args` replaces those only. */
export function containerCommand(
  container: V1Container,
  image: Image,
  variables: ReadonlyMap<string, string>
): readonly string[] {
  const own = container.command ?? []
  const command = own.length > 0 ? own : image.command
  const args = container.args ?? (own.length > 0 ? [] : (image.args ?? []))
  const expand = (text: string): string => expandReferences(text, variables)
  return [...(own.length > 0 ? command.map(expand) : command), ...(container.args ? args.map(expand) : args)]
}
