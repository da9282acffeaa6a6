/**
 * Values by (network, ip). Almost every address has one holder, so a lone holder is stored bare: at mesh scale the
 * arrays would cost more than the values' own entries.
 */
export interface AddressMap<Value extends object> {
  readonly get: (network: string, ip: string) => readonly Value[]
  readonly add: (network: string, ip: string, value: Value) => void
  readonly remove: (network: string, ip: string, value: Value) => void
}

export function createAddressMap<Value extends object>(): AddressMap<Value> {
  const networks = new Map<string, Map<string, Value | readonly Value[]>>()
  const get = (network: string, ip: string): readonly Value[] => listed(networks.get(network)?.get(ip))
  return {
    get,
    add(network, ip, value) {
      let addresses = networks.get(network)
      if (addresses === undefined) {
        addresses = new Map()
        networks.set(network, addresses)
      }
      const held = listed(addresses.get(ip))
      addresses.set(ip, held.length === 0 ? value : [...held, value])
    },
    remove(network, ip, value) {
      const addresses = networks.get(network)
      if (addresses === undefined) return
      const rest = get(network, ip).filter(held => held !== value)
      if (rest.length > 0) addresses.set(ip, rest.length === 1 ? rest[0]! : rest)
      else addresses.delete(ip)
      if (addresses.size === 0) networks.delete(network)
    }
  }
}

const empty: readonly never[] = []

function listed<Value extends object>(held: Value | readonly Value[] | undefined): readonly Value[] {
  if (held === undefined) return empty
  return Array.isArray(held) ? held : [held as Value]
}
