import xxhash from 'xxhash-wasm'

const hasher = await xxhash()

/** `Resource.version` of an Address: lower-case hex, no padding, of xxHash64 with seed 0 (docs/spec/workload-xds.md 1.7). */
export function resourceVersion(bytes: Uint8Array): string {
  return hasher.h64Raw(bytes, 0n).toString(16)
}
