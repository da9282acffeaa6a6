/**
 * Small whole numbers ("slots") by a hash of something: who asks checks that the slot is what it looked for. Two
 * 32-bit words per place, so a hundred thousand entries cost about two megabytes, and growing reads no values again.
 */
export interface SlotTable {
  readonly size: () => number
  readonly add: (hash: number, slot: number) => void
  readonly remove: (hash: number, slot: number) => void
  /** The first slot under this hash that passes. */
  readonly find: (hash: number, isWanted: (slot: number) => boolean) => number | undefined
}

/** Slots are stored plus one; 0 is a free place. */
const free = 0

export function createSlotTable(): SlotTable {
  let capacity = 16
  let hashes = new Int32Array(capacity)
  let slots = new Int32Array(capacity)
  let size = 0

  function put(hash: number, stored: number): void {
    let place = hash & (capacity - 1)
    while (slots[place] !== free) place = (place + 1) & (capacity - 1)
    hashes[place] = hash
    slots[place] = stored
  }

  function resize(wanted: number): void {
    const [oldHashes, oldSlots] = [hashes, slots]
    capacity = wanted
    hashes = new Int32Array(capacity)
    slots = new Int32Array(capacity)
    for (let i = 0; i < oldSlots.length; i++) if (oldSlots[i] !== free) put(oldHashes[i]!, oldSlots[i]!)
  }

  /** Moves later entries of the run into the hole, so that no run is ever interrupted (Knuth, 6.4 R). */
  function close(hole: number): void {
    const mask = capacity - 1
    for (let place = (hole + 1) & mask; slots[place] !== free; place = (place + 1) & mask) {
      const home = hashes[place]! & mask
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      hashes[hole] = hashes[place]!
      slots[hole] = slots[place]!
      hole = place
    }
    slots[hole] = free
  }

  return {
    size: () => size,
    add(hash, slot) {
      if ((size + 1) * 4 > capacity * 3) resize(capacity * 2)
      put(hash | 0, slot + 1)
      size++
    },
    remove(hash, slot) {
      const mask = capacity - 1
      for (let place = hash & mask; slots[place] !== free; place = (place + 1) & mask) {
        if (slots[place] !== slot + 1 || hashes[place] !== (hash | 0)) continue
        close(place)
        size--
        if (capacity > 16 && size * 8 < capacity) resize(capacity / 2)
        return
      }
    },
    find(hash, isWanted) {
      const mask = capacity - 1
      for (let place = hash & mask; slots[place] !== free; place = (place + 1) & mask) {
        if (hashes[place] === (hash | 0) && isWanted(slots[place]! - 1)) return slots[place]! - 1
      }
      return undefined
    }
  }
}

/** FNV-1a over both texts, with its bits mixed, because tables take the low ones. */
export function hashOf(first: string, second = ''): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < first.length; i++) hash = Math.imul(hash ^ first.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ 0xff, 0x01000193)
  for (let i = 0; i < second.length; i++) hash = Math.imul(hash ^ second.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
