import type { V1ConfigMap, V1Secret } from '@kubernetes/client-node'
import { equal, isFields, type KubeObject } from '../objects.ts'
import type { FieldError } from '../status.ts'
import type { Strategy } from '../strategy.ts'
import { forbiddenValue, invalidValue, required } from '../validation/field-errors.ts'
import { fill } from './fill.ts'

const keyRule =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

/** Keys become file names. */
function validateKeys(data: unknown, field: string): FieldError[] {
  if (!isFields(data)) return []
  return Object.keys(data).flatMap(key => {
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key)) return [invalidValue(`${field}[${key}]`, key, keyRule)]
    if (key === '.' || key.startsWith('..'))
      return [invalidValue(`${field}[${key}]`, key, "must not be '.' or start with '..'")]
    return []
  })
}

function validateImmutable(object: KubeObject, old: KubeObject | undefined, fields: readonly string[]): FieldError[] {
  if (old?.immutable !== true) return []
  return fields
    .filter(field => !equal(object[field], old[field]))
    .map(field => forbiddenValue(field, 'field is immutable when `immutable` is set'))
}

export const configMapStrategy: Strategy = {
  validate(object, old) {
    const { data, binaryData } = object as unknown as V1ConfigMap
    const twice = Object.keys(binaryData ?? {}).filter(key => Object.hasOwn(data ?? {}, key))
    return [
      ...validateKeys(data, 'data'),
      ...validateKeys(binaryData, 'binaryData'),
      ...twice.map(key => invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData')),
      ...validateImmutable(object, old, ['data', 'binaryData', 'immutable'])
    ]
  }
}

export const secretStrategy: Strategy = {
  defaults(object) {
    const secret = object as unknown as V1Secret
    fill(secret, { type: 'Opaque' })
    // Written as text, kept as base64.
    if (isFields(secret.stringData)) {
      const encoded = Object.entries(secret.stringData).map(([key, text]) => [
        key,
        Buffer.from(String(text)).toString('base64')
      ])
      secret.data = { ...secret.data, ...Object.fromEntries(encoded) }
      delete secret.stringData
    }
  },
  validate(object, old) {
    const { data, type, metadata } = object as unknown as V1Secret
    const errors = [...validateKeys(data, 'data'), ...validateImmutable(object, old, ['data', 'immutable'])]
    if (old !== undefined && old.type !== type) errors.push(invalidValue('type', type ?? '', 'field is immutable'))
    if (type === 'kubernetes.io/tls') {
      for (const key of ['tls.crt', 'tls.key']) if (data?.[key] === undefined) errors.push(required(`data[${key}]`, ''))
    }
    if (type === 'kubernetes.io/service-account-token') {
      const name = metadata?.annotations?.['kubernetes.io/service-account.name']
      if (name === undefined) errors.push(required('metadata.annotations[kubernetes.io/service-account.name]', ''))
    }
    return errors
  }
}
