import type { V1Service } from '@kubernetes/client-node'
import { listOf } from '../defaults/fill.ts'
import type { FieldError } from '../status.ts'
import { duplicate, invalidValue, notSupported, required } from './field-errors.ts'
import { validatePort, validateProtocol } from './pod.ts'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

export function validateService({ spec = {} }: V1Service, old: V1Service | undefined): FieldError[] {
  const errors: FieldError[] = []
  const ports = listOf(spec.ports)
  const headless = spec.clusterIP === 'None'
  if (!types.includes(spec.type ?? '')) errors.push(notSupported('spec.type', spec.type ?? '', types))
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') errors.push(required('spec.ports', ''))
  if (spec.type === 'ExternalName' && (spec.externalName ?? '') === '') errors.push(required('spec.externalName', ''))
  if (headless && (spec.type === 'NodePort' || spec.type === 'LoadBalancer')) {
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  }
  const names = new Set<string>()
  const pairs = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}]`
    if (port.name === undefined || port.name === '') {
      if (ports.length > 1) errors.push(required(`${field}.name`, ''))
    } else if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(port.name)) {
      errors.push(
        invalidValue(
          `${field}.name`,
          port.name,
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )
      )
    } else if (names.has(port.name)) {
      errors.push(duplicate(`${field}.name`, port.name))
    }
    names.add(port.name ?? '')
    validatePort(port.port, `${field}.port`, errors)
    validateProtocol(port.protocol, `${field}.protocol`, errors)
    if (typeof port.targetPort === 'number') validatePort(port.targetPort, `${field}.targetPort`, errors)
    const pair = `${port.port}/${port.protocol}`
    if (pairs.has(pair)) errors.push(duplicate(field, pair))
    pairs.add(pair)
  }
  const before = old?.spec?.clusterIP
  if (
    before !== undefined &&
    old?.spec?.type !== 'ExternalName' &&
    spec.type !== 'ExternalName' &&
    spec.clusterIP !== before
  ) {
    errors.push(invalidValue('spec.clusterIPs[0]', spec.clusterIP ?? '', 'may not change once set'))
  }
  return errors
}
