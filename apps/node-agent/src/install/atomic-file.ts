import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'

/** Writes beside the target, syncs, renames over: a reader sees the old file or the new one, also after a crash. */
export function writeFileAtomic(file: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${file}.tmp.${randomBytes(4).toString('hex')}`
  try {
    const fd = openSync(temporary, 'wx', mode)
    try {
      const bytes = Buffer.from(content)
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    // The process's umask may have taken bits away.
    chmodSync(temporary, mode)
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** What an interrupted write of `file` left behind. */
export function removeTemporaries(file: string): void {
  const prefix = `${path.basename(file)}.tmp.`
  const dir = path.dirname(file)
  for (const name of readdirSync(dir)) if (name.startsWith(prefix)) rmSync(path.join(dir, name), { force: true })
}
