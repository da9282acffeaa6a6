import type { Authorization } from '../model/authorization.ts'
import type { SharedValue } from '../state/compact/workload-record.ts'
import type { LocalService } from './read-address.ts'

/**
 * From the process that reads a local configuration file to the one that wants it: each as `v8.serialize` writes it,
 * after its length (32 bits, little-endian).
 */
export type ReaderMessage =
  | {
      readonly kind: 'some'
      /** Records, each after its length (32 bits, little-endian), and what they share that did not come before. */
      readonly workloads: Uint8Array
      readonly texts: readonly string[]
      readonly values: readonly SharedValue[]
      readonly services: readonly LocalService[]
      readonly policies: readonly Authorization[]
    }
  /** Everything so far comes again. */
  | { readonly kind: 'restart' }
  | { readonly kind: 'done' }
  /** A WorkloadsError's, when it has a code. */
  | { readonly kind: 'failed'; readonly code?: string; readonly message: string }
