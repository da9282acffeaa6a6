/** Sets the fields that are absent. */
export function fill(target: object, defaults: Record<string, unknown>): void {
  const fields = target as Record<string, unknown>
  for (const [key, value] of Object.entries(defaults)) {
    if (fields[key] === undefined && value !== undefined) fields[key] = value
  }
}

/** The objects of a list; nothing when it is absent or malformed, which validation reports. */
export function listOf<T>(value: readonly T[] | undefined): T[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'object' && item !== null) : []
}

/** Quantities may be written as numbers and are kept as text. */
export function textQuantities(quantities: Record<string, unknown> | undefined): void {
  if (typeof quantities !== 'object' || quantities === null) return
  for (const [name, value] of Object.entries(quantities)) {
    if (typeof value === 'number') quantities[name] = String(value)
  }
}
