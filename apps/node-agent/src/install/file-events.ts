import { type FSWatcher, watch } from 'node:fs'

/** Watches on files and directories, opened together; a path that does not exist is left out. */
export interface FileEvents extends Disposable {
  /** Resolves at the first event since the watches were opened; rejects when the signal aborts. */
  readonly next: (signal: AbortSignal) => Promise<void>
  readonly happened: () => boolean
}

export function watchFiles(paths: readonly string[]): FileEvents {
  let happened = false
  let wake = (): void => {}
  const event = (): void => {
    happened = true
    wake()
  }
  const watchers: FSWatcher[] = []
  for (const path of paths) {
    try {
      const watcher = watch(path, event)
      // A watched directory that goes away is an event, too.
      watcher.on('error', event)
      watchers.push(watcher)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return {
    happened: () => happened,
    next: signal =>
      new Promise((resolve, reject) => {
        const aborted = (): void => reject(signal.reason)
        if (signal.aborted) return aborted()
        if (happened) return resolve()
        signal.addEventListener('abort', aborted, { once: true })
        wake = () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        }
      }),
    [Symbol.dispose]: () => {
      for (const watcher of watchers) watcher.close()
    }
  }
}
