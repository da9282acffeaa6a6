import { DnsError } from './errors.ts'

/** Places for questions that wait for servers: bounded in all, and no client's flood takes those of the others. */
export interface FairSlots {
  /** What one client has of them. */
  readonly share: () => SlotShare
}

export interface SlotShare {
  /**
   * Runs `work` in a place, when there is one. Rejects with DNS_BUSY when there was none for `patience` milliseconds, and
   * with the signal's reason when that aborts meanwhile.
   */
  readonly run: <T>(work: () => Promise<T>, options: WaitOptions) => Promise<T>
}

export interface WaitOptions {
  readonly patience: number
  readonly signal: AbortSignal
}

interface Share {
  used: number
  readonly waiting: Set<() => void>
}

/** `each`: how many of them one client may hold at a time. */
export function createFairSlots({ all, each }: { readonly all: number; readonly each: number }): FairSlots {
  let free = all
  const contenders = new Set<Share>()

  const take = (share: Share): void => {
    free--
    share.used++
  }
  const giveBack = (from: Share): void => {
    free++
    from.used--
    // To whom has least, and among those to whom has waited longest.
    let next: Share | undefined
    for (const share of contenders)
      if (share.used < each && (next === undefined || share.used < next.used)) next = share
    if (next !== undefined) call(next)
  }
  const call = (share: Share): void => {
    const [first] = share.waiting
    if (first === undefined) return
    forget(share, first)
    if (share.waiting.size > 0) {
      contenders.delete(share)
      contenders.add(share)
    }
    take(share)
    first()
  }
  const forget = (share: Share, waiter: () => void): void => {
    share.waiting.delete(waiter)
    if (share.waiting.size === 0) contenders.delete(share)
  }

  const wait = (share: Share, { patience, signal }: WaitOptions): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const settle = (act: () => void) => (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      forget(share, admit)
      act()
    }
    const admit = settle(resolve)
    const onAbort = settle(() => reject(signal.reason))
    const timer = setTimeout(
      settle(() => reject(new DnsError('DNS_BUSY', 'too many questions wait for an answer'))),
      patience
    )
    signal.addEventListener('abort', onAbort, { once: true })
    share.waiting.add(admit)
    contenders.add(share)
    return promise
  }

  return {
    share: () => {
      const share: Share = { used: 0, waiting: new Set() }
      return {
        run: async (work, options) => {
          options.signal.throwIfAborted()
          if (free > 0 && share.used < each && share.waiting.size === 0) take(share)
          else await wait(share, options)
          try {
            return await work()
          } finally {
            giveBack(share)
          }
        }
      }
    }
  }
}
