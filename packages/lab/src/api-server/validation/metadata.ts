import { isFields, type KubeObject } from '../objects.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { isLabelKey, isLabelValue } from '../selectors/label-selector.ts'
import type { FieldError } from '../status.ts'
import { invalidValue, required } from './field-errors.ts'

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const serviceRule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end " +
  "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

/** RBAC names are path segments: almost anything. */
const freeNames = 'rbac.authorization.k8s.io'

export function validateMetadata(
  object: KubeObject,
  definition: ResourceDefinition,
  old: KubeObject | undefined
): FieldError[] {
  const { metadata } = object
  const errors: FieldError[] = []
  if (metadata.name === undefined) {
    return [
      {
        reason: 'FieldValueRequired',
        field: 'metadata.name',
        message: 'Required value: name or generateName is required'
      }
    ]
  }
  if (old === undefined) errors.push(...validateName(metadata.name, definition))
  errors.push(
    ...validateMap(metadata.labels, 'metadata.labels', true),
    ...validateMap(metadata.annotations, 'metadata.annotations', false)
  )
  for (const field of ['finalizers', 'ownerReferences', 'managedFields'] as const) {
    const value: unknown = metadata[field]
    if (value !== undefined && value !== null && !Array.isArray(value)) {
      errors.push(invalidValue(`metadata.${field}`, value, 'must be a list'))
    }
  }
  for (const [index, owner] of [metadata.ownerReferences ?? []].flat().entries()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (typeof owner?.[field] !== 'string' || owner[field] === '') {
        errors.push(required(`metadata.ownerReferences[${index}].${field}`, ''))
      }
    }
  }
  if (old?.metadata.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter(one => !old.metadata.finalizers?.includes(one))
    if (added.length > 0) {
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'metadata.finalizers',
        message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`
      })
    }
  }
  return errors
}

function validateName(name: string, definition: ResourceDefinition): FieldError[] {
  if (definition.group === freeNames) {
    return /[/%]/.test(name) || name === '.' || name === '..'
      ? [invalidValue('metadata.name', name, "may not contain '/' or '%'")]
      : []
  }
  const isService = definition.storageKey === '/services'
  const short = isService || definition.storageKey === '/namespaces'
  const limit = short ? 63 : 253
  const errors: FieldError[] = []
  if (name.length > limit) errors.push(invalidValue('metadata.name', name, `must be no more than ${limit} characters`))
  if (isService ? !/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name) : !(short ? label : subdomain).test(name)) {
    errors.push(invalidValue('metadata.name', name, isService ? serviceRule : short ? labelRule : subdomainRule))
  }
  return errors
}

function validateMap(value: unknown, field: string, labels: boolean): FieldError[] {
  if (value === undefined || value === null) return []
  if (!isFields(value)) return [invalidValue(field, value, 'must be an object of strings')]
  return Object.entries(value).flatMap(([key, one]) => {
    if (!isLabelKey(labels ? key : key.toLowerCase())) {
      return [
        invalidValue(
          field,
          key,
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
      ]
    }
    if (typeof one !== 'string') return [invalidValue(field, one, `the value of ${key} must be a string`)]
    if (labels && !isLabelValue(one)) {
      return [
        invalidValue(
          field,
          one,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
      ]
    }
    return []
  })
}
