import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node'
import { listOf } from '../defaults/fill.ts'
import { copy, equal } from '../objects.ts'
import type { FieldError } from '../status.ts'
import { duplicate, forbiddenValue, invalidValue, notFoundValue, notSupported, required } from './field-errors.ts'

const nameRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

const isName = (name: string): boolean => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)

export function validatePod(pod: V1Pod, old: V1Pod | undefined): FieldError[] {
  const errors = validatePodSpec(pod.spec, 'spec')
  if (errors.length === 0 && old?.spec !== undefined && !equal(fixedPart(pod.spec!), fixedPart(old.spec))) {
    errors.push(
      forbiddenValue(
        'spec',
        'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
          '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
          '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
      )
    )
  }
  return errors
}

/** The spec without what a running pod may change; `nodeName` is given once, through the binding. */
function fixedPart(spec: V1PodSpec): unknown {
  const fixed = copy(spec)
  for (const container of [...fixed.containers, ...listOf(fixed.initContainers)]) container.image = ''
  delete fixed.activeDeadlineSeconds
  delete fixed.tolerations
  delete fixed.nodeName
  delete fixed.ephemeralContainers
  delete fixed.schedulingGates
  return fixed
}

export function validatePodSpec(spec: V1PodSpec | undefined, path: string): FieldError[] {
  if (typeof spec !== 'object' || spec === null) return [required(`${path}.containers`, '')]
  const errors: FieldError[] = []
  if (listOf(spec.containers).length === 0) errors.push(required(`${path}.containers`, ''))
  const volumes = validateVolumes(spec, path, errors)
  const names = new Set<string>()
  for (const [list, containers] of [
    ['containers', listOf(spec.containers)],
    ['initContainers', listOf(spec.initContainers)]
  ] as const) {
    for (const [index, container] of containers.entries()) {
      validateContainer(container, `${path}.${list}[${index}]`, names, volumes, errors)
    }
  }
  const policies = ['Always', 'OnFailure', 'Never']
  if (!policies.includes(spec.restartPolicy ?? '')) {
    errors.push(notSupported(`${path}.restartPolicy`, spec.restartPolicy ?? '', policies))
  }
  const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
  if (!dnsPolicies.includes(spec.dnsPolicy ?? ''))
    errors.push(notSupported(`${path}.dnsPolicy`, spec.dnsPolicy ?? '', dnsPolicies))
  return errors
}

function validateVolumes(spec: V1PodSpec, path: string, errors: FieldError[]): Set<string> {
  const names = new Set<string>()
  for (const [index, { name, ...sources }] of listOf(spec.volumes).entries()) {
    const field = `${path}.volumes[${index}]`
    if (typeof name !== 'string' || name === '') errors.push(required(`${field}.name`, ''))
    else if (!isName(name)) errors.push(invalidValue(`${field}.name`, name, nameRule))
    else if (names.has(name)) errors.push(duplicate(`${field}.name`, name))
    if (Object.keys(sources).length > 1) errors.push(forbiddenValue(field, 'may not specify more than 1 volume type'))
    names.add(name)
  }
  return names
}

function validateContainer(
  container: V1Container,
  path: string,
  names: Set<string>,
  volumes: Set<string>,
  errors: FieldError[]
): void {
  const { name, image } = container
  if (typeof name !== 'string' || name === '') errors.push(required(`${path}.name`, ''))
  else if (!isName(name)) errors.push(invalidValue(`${path}.name`, name, nameRule))
  else if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
  names.add(name)
  if (typeof image !== 'string' || image === '') errors.push(required(`${path}.image`, ''))
  else if (image.trim() !== image)
    errors.push(invalidValue(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  for (const [index, { containerPort, protocol, name: portName }] of listOf(container.ports).entries()) {
    const field = `${path}.ports[${index}]`
    validatePort(containerPort, `${field}.containerPort`, errors)
    if (portName !== undefined && !/^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(portName)) {
      errors.push(
        invalidValue(
          `${field}.name`,
          portName,
          'must be at most 15 lower case letters, digits and hyphens with at least one letter'
        )
      )
    }
    validateProtocol(protocol, `${field}.protocol`, errors)
  }
  for (const [index, { name: variable }] of listOf(container.env).entries()) {
    if (typeof variable !== 'string' || variable === '') errors.push(required(`${path}.env[${index}].name`, ''))
  }
  const paths = new Set<string>()
  for (const [index, mount] of listOf(container.volumeMounts).entries()) {
    const field = `${path}.volumeMounts[${index}]`
    if (!volumes.has(mount.name)) errors.push(notFoundValue(`${field}.name`, mount.name ?? ''))
    if (typeof mount.mountPath !== 'string' || mount.mountPath === '') errors.push(required(`${field}.mountPath`, ''))
    else if (paths.has(mount.mountPath))
      errors.push({ ...invalidValue(`${field}.mountPath`, mount.mountPath, 'must be unique') })
    paths.add(mount.mountPath)
  }
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[kind]
    if (probe === undefined) continue
    const handlers = (['exec', 'httpGet', 'tcpSocket', 'grpc'] as const).filter(one => probe[one] !== undefined)
    if (handlers.length === 0) errors.push(required(`${path}.${kind}`, 'must specify a handler type'))
    if (handlers.length > 1)
      errors.push(forbiddenValue(`${path}.${kind}.${handlers[1]}`, 'may not specify more than 1 handler type'))
    if (kind !== 'readinessProbe' && probe.successThreshold !== 1) {
      errors.push(invalidValue(`${path}.${kind}.successThreshold`, probe.successThreshold, 'must be 1'))
    }
  }
}

export function validatePort(port: unknown, field: string, errors: FieldError[]): void {
  if (port === undefined) errors.push(required(field, ''))
  else if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    errors.push(invalidValue(field, port, 'must be between 1 and 65535, inclusive'))
  }
}

export function validateProtocol(protocol: unknown, field: string, errors: FieldError[]): void {
  const known = ['SCTP', 'TCP', 'UDP']
  if (!known.includes(String(protocol))) errors.push(notSupported(field, protocol, known))
}
