import { type Baggage, parseBaggage } from '@culvert/hbone'

/** Names and labels in Kubernetes are never longer. */
const longestValue = 253

/**
 * Reads what peers say of themselves. It ends as label values, and a series of metrics stays for ever: so peers cannot
 * make up more than this many descriptions, nor long ones. What is too much counts as not said.
 */
export function createBaggageReader(limit = 2_000): (lines: readonly string[]) => Baggage {
  const believed = new Set<string>()
  return lines => {
    const baggage = parseBaggage(lines)
    if (Object.values(baggage).some(value => (value?.length ?? 0) > longestValue)) return {}
    const key = JSON.stringify(baggage)
    if (!believed.has(key) && believed.size >= limit) return {}
    believed.add(key)
    return baggage
  }
}
