import type { PortMap, ServiceEndpoint } from '../../model/workload.ts'
import type { Pool } from './pool.ts'

/** Who an endpoint is: names of workloads, whether there is such a workload or not. Holders are counted. */
export interface Names {
  readonly slotOf: (uid: string) => number | undefined
  readonly holdName: (slot: number) => void
  readonly releaseName: (slot: number) => void
  readonly nameOf: (slot: number) => string
}

const few = 8

/**
 * The endpoints of one service: eight bytes each, and eight for finding them where there are many. To readers a map by
 * workload uid, whose values are made as they are asked for.
 */
export class EndpointSet implements ReadonlyMap<string, ServiceEndpoint> {
  readonly #names: Names
  readonly #ports: Pool<PortMap>
  #size = 0
  /** Dense, in order of arrival until one goes: the last takes its place. */
  #slots = new Int32Array(2)
  /** Number of the ports, doubled, plus one for unhealthy. */
  #values = new Int32Array(2)
  /** Open addressing: position plus one, by slot. Absent while there are few. */
  #places: Int32Array | undefined

  constructor(names: Names, ports: Pool<PortMap>) {
    this.#names = names
    this.#ports = ports
  }

  get size(): number {
    return this.#size
  }

  /** Takes over one hold on the ports. */
  put(slot: number, ports: number, status: ServiceEndpoint['status']): void {
    const value = ports * 2 + (status === 'Healthy' ? 0 : 1)
    const known = this.#position(slot)
    if (known >= 0) {
      this.#ports.release(this.#values[known]! >> 1)
      this.#values[known] = value
      return
    }
    this.#names.holdName(slot)
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[this.#size] = slot
    this.#values[this.#size] = value
    this.#size++
    if (this.#places !== undefined) this.#enter(slot, this.#size - 1)
    else if (this.#size > few) this.#index()
  }

  remove(slot: number): void {
    const position = this.#position(slot)
    if (position < 0) return
    this.#ports.release(this.#values[position]! >> 1)
    const last = this.#size - 1
    if (this.#places !== undefined) this.#leave(slot)
    if (position !== last) {
      const moved = this.#slots[last]!
      if (this.#places !== undefined) {
        this.#leave(moved)
        this.#enter(moved, position)
      }
      this.#slots[position] = moved
      this.#values[position] = this.#values[last]!
    }
    this.#size = last
    this.#names.releaseName(slot)
  }

  clear(): void {
    for (let i = this.#size - 1; i >= 0; i--) this.remove(this.#slots[i]!)
  }

  /** In another set each is what it is here, or is not if it is not wanted. */
  copyInto(other: EndpointSet, wanted: (status: ServiceEndpoint['status']) => boolean): void {
    for (let i = 0; i < this.#size; i++) {
      const value = this.#values[i]!
      const status = value & 1 ? 'Unhealthy' : 'Healthy'
      if (wanted(status)) other.put(this.#slots[i]!, this.#ports.again(value >> 1), status)
      else other.remove(this.#slots[i]!)
    }
  }

  /** Without making names or objects of endpoints. */
  *members(): Generator<{ readonly slot: number; readonly port: PortMap }> {
    for (let i = 0; i < this.#size; i++) yield { slot: this.#slots[i]!, port: this.#ports.get(this.#values[i]! >> 1) }
  }

  has(uid: string): boolean {
    const slot = this.#names.slotOf(uid)
    return slot !== undefined && this.#position(slot) >= 0
  }

  get(uid: string): ServiceEndpoint | undefined {
    const slot = this.#names.slotOf(uid)
    const position = slot === undefined ? -1 : this.#position(slot)
    return position < 0 ? undefined : this.#endpoint(position)
  }

  *keys(): MapIterator<string> {
    for (let i = 0; i < this.#size; i++) yield this.#names.nameOf(this.#slots[i]!)
  }

  *values(): MapIterator<ServiceEndpoint> {
    for (let i = 0; i < this.#size; i++) yield this.#endpoint(i)
  }

  *entries(): MapIterator<[string, ServiceEndpoint]> {
    for (const endpoint of this.values()) yield [endpoint.workloadUid, endpoint]
  }

  [Symbol.iterator](): MapIterator<[string, ServiceEndpoint]> {
    return this.entries()
  }

  forEach(
    callback: (value: ServiceEndpoint, key: string, map: ReadonlyMap<string, ServiceEndpoint>) => void,
    thisArgument?: unknown
  ): void {
    for (const [uid, endpoint] of this) callback.call(thisArgument, endpoint, uid, this)
  }

  #endpoint(position: number): ServiceEndpoint {
    const value = this.#values[position]!
    return {
      workloadUid: this.#names.nameOf(this.#slots[position]!),
      port: this.#ports.get(value >> 1),
      status: value & 1 ? 'Unhealthy' : 'Healthy'
    }
  }

  #position(slot: number): number {
    const places = this.#places
    if (places === undefined) {
      for (let i = 0; i < this.#size; i++) if (this.#slots[i] === slot) return i
      return -1
    }
    const place = this.#place(places, slot)
    return places[place]! - 1
  }

  /** Where the slot is, or would go. */
  #place(places: Int32Array, slot: number): number {
    const mask = places.length - 1
    let place = home(slot, mask)
    while (places[place] !== 0 && this.#slots[places[place]! - 1] !== slot) place = (place + 1) & mask
    return place
  }

  #enter(slot: number, position: number): void {
    const places = this.#places!
    const mask = places.length - 1
    let place = home(slot, mask)
    while (places[place] !== 0) place = (place + 1) & mask
    places[place] = position + 1
  }

  #leave(slot: number): void {
    const places = this.#places!
    const mask = places.length - 1
    let hole = this.#place(places, slot)
    for (let place = (hole + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const wanted = home(this.#slots[places[place]! - 1]!, mask)
      if (((place - wanted) & mask) < ((place - hole) & mask)) continue
      places[hole] = places[place]!
      hole = place
    }
    places[hole] = 0
  }

  #grow(): void {
    const capacity = this.#slots.length * 2
    const [slots, values] = [this.#slots, this.#values]
    this.#slots = new Int32Array(capacity)
    this.#slots.set(slots)
    this.#values = new Int32Array(capacity)
    this.#values.set(values)
    if (this.#places !== undefined) this.#index()
  }

  #index(): void {
    this.#places = new Int32Array(this.#slots.length * 2)
    for (let i = 0; i < this.#size; i++) this.#enter(this.#slots[i]!, i)
  }
}

/** Neighbouring slots are often one service's: spread them (Fibonacci hashing). */
const home = (slot: number, mask: number): number => (Math.imul(slot, 0x9e3779b1) >>> 7) & mask
