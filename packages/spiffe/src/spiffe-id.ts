/** The name of a workload: trust domain, namespace and service account (docs/spec/identity-ca.md 1.1). */
export interface SpiffeId {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}

const scheme = 'spiffe://'

/**
 * Reads `spiffe://<td>/ns/<ns>/sa/<sa>`: exactly five parts, and, like both upstream parsers, no check of
 * characters, length or emptiness. Undefined for anything else.
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (!text.startsWith(scheme)) return undefined
  const parts = text.slice(scheme.length).split('/')
  const [trustDomain, ns, namespace, sa, serviceAccount] = parts
  if (parts.length !== 5 || ns !== 'ns' || sa !== 'sa') return undefined
  return { trustDomain: trustDomain!, namespace: namespace!, serviceAccount: serviceAccount! }
}

/** The inverse of parseSpiffeId. */
export function formatSpiffeId({ trustDomain, namespace, serviceAccount }: SpiffeId): string {
  return `${scheme}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}
