/** Named tasks that hold readiness back; docs/spec/observability-dns.md section 6. */
export interface Readiness {
  /** Not ready until the task is done. The same name may be pending several times. */
  readonly task: (name: string) => ReadinessTask
  /** Sorted names without repeats. */
  readonly pending: () => readonly string[]
  readonly ready: () => boolean
}

export interface ReadinessTask {
  readonly done: () => void
  /** Pending once more. */
  readonly again: () => void
}

export function createReadiness(): Readiness {
  const pending = new Map<object, string>()
  return {
    task: name => {
      const key = {}
      pending.set(key, name)
      return {
        done: () => {
          pending.delete(key)
        },
        again: () => {
          pending.set(key, name)
        }
      }
    },
    pending: () => [...new Set(pending.values())].sort(),
    ready: () => pending.size === 0
  }
}
