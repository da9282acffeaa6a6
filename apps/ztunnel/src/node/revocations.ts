import { readFileSync, watch } from 'node:fs'
import path from 'node:path'
import type { Logger } from '@culvert/telemetry'

export interface RevocationOptions {
  /** CRL_PATH. */
  readonly file: string
  /** The data path's; throws for what is no list. */
  readonly revoke: (lists: readonly Uint8Array[]) => void
  readonly log: Logger
  readonly signal: AbortSignal
  /** Milliseconds from a change to the reading of it: files are replaced in several steps. */
  readonly debounce?: number
}

/**
 * Keeps the data path's revocation lists those of a file (docs/spec/identity-ca.md 4.8). A file that is not there
 * revokes nothing until it comes; one that cannot be used at the start switches revocation off.
 */
export function followRevocations({ file, revoke, log, signal, debounce = 2_000 }: RevocationOptions): void {
  /** The file, when it was last looked for. */
  let wasThere = false
  const load = (content: Buffer | undefined): void => {
    wasThere = content !== undefined
    const lists = content === undefined ? [] : revocationLists(content)
    revoke(lists)
    log.info('revocation lists loaded', { path: file, lists: lists.length })
  }
  try {
    load(readIfThere(file))
  } catch (error) {
    log.error('revocation is off: the file cannot be used', { path: file, error: (error as Error).message })
    return
  }

  let timer: NodeJS.Timeout | undefined
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  const soon = (call: () => void): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      call()
    }, debounce).unref()
  }
  const reload = (): void => {
    try {
      const content = readIfThere(file)
      if (content !== undefined) load(content)
      else if (wasThere) {
        wasThere = false
        throw new Error('it is not there any more')
      }
    } catch (error) {
      log.warn('revocation lists kept: the file cannot be used', { path: file, error: (error as Error).message })
    }
  }
  let told: string | undefined
  const follow = (): void => {
    if (signal.aborted) return
    const again = (error: Error): void => {
      // A directory may come later. Anything else is worth a line, once.
      if (codeOf(error) !== 'ENOENT' && told !== error.message) {
        told = error.message
        log.warn('revocation lists cannot be followed for now', { path: file, error: told })
      }
      soon(() => {
        follow()
        reload()
      })
    }
    try {
      // The directory, since files of a volume are replaced by changing a link beside them.
      const watcher = watch(path.dirname(file), { signal, persistent: false }, () =>
        soon(() => {
          // It may have been the directory itself that was replaced, and the old one is silent from now on.
          watcher.close()
          follow()
          reload()
        })
      )
      watcher.on('error', error => {
        watcher.close()
        again(error)
      })
      told = undefined
    } catch (error) {
      again(error as Error)
    }
  }
  follow()
}

const codeOf = (error: Error): string | undefined => (error as NodeJS.ErrnoException).code

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch (error) {
    if (codeOf(error as Error) === 'ENOENT') return undefined
    throw error
  }
}

const begin = '-----BEGIN X509 CRL-----'
const block = /^([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/

/**
 * DER lists of PEM text with several blocks, others skipped, or of one list in DER; nothing in an empty file.
 * @throws for a block that is cut off or holds what is no base64: whom it revokes must not pass meanwhile
 */
export function revocationLists(content: Buffer): readonly Uint8Array[] {
  if (content.length === 0) return []
  if (!content.subarray(0, 10).equals(Buffer.from('-----BEGIN'))) return [content]
  const [, ...blocks] = content.toString('latin1').split(begin)
  return blocks.map((text, i) => {
    const base64 = block.exec(text)?.[1]
    if (base64 === undefined) throw new Error(`block ${i + 1} of X509 CRL has no end or is no base64`)
    return Buffer.from(base64, 'base64')
  })
}
