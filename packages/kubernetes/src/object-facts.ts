import type { KubernetesObject } from './objects.ts'

/** `namespace/name`, or the name alone for cluster-wide kinds: unique within one kind. */
export function objectKey(object: KubernetesObject): string {
  const { namespace, name } = object.metadata ?? {}
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name ?? ''}`
}

/** Whether every pair of an equality selector is among the labels. An empty selector matches everything. */
export function matchesLabels(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined
): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value)
}

export const decodeSecretValue = (value: string): string => Buffer.from(value, 'base64').toString('utf8')
export const encodeSecretValue = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
