import type { KubernetesObject } from '@culvert/kubernetes'
import { parseAllDocuments } from 'yaml'
import { LabError } from '../errors.ts'

/** The objects of a YAML text of one or more documents; Lists are taken apart, empty documents skipped. */
export function parseManifests(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document, index) => {
    const [fault] = document.errors ?? []
    if (fault !== undefined) throw new LabError('LAB_OPTION', `YAML document ${index + 1}: ${fault.message}`)
    const value: unknown = document.toJS()
    return value === null ? [] : objectsIn(value, `YAML document ${index + 1}`)
  })
}

function objectsIn(value: unknown, origin: string): KubernetesObject[] {
  const { apiVersion, kind, items } = (typeof value === 'object' && value !== null ? value : {}) as {
    apiVersion?: unknown
    kind?: unknown
    items?: unknown
  }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    throw new LabError('LAB_OPTION', `${origin} is no Kubernetes object: it needs apiVersion and kind`)
  }
  if (kind.endsWith('List') && Array.isArray(items)) {
    return items.flatMap((item, index) => objectsIn(item, `${origin}, item ${index + 1}`))
  }
  return [value as KubernetesObject]
}
