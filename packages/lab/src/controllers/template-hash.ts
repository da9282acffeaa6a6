import { createHash } from 'node:crypto'

/** Kubernetes' alphabet for names made by machines. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** A short name for a value, the same for equal values whatever the order of their keys. */
export function hashName(value: unknown, length: number): string {
  const digest = createHash('sha256').update(canonical(value)).digest()
  return Array.from(digest.subarray(0, length), byte => alphabet[byte % alphabet.length]).join('')
}

export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`)
    .join(',')}}`
}
