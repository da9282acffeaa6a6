import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'

/** Under a name that follows from it, so that the same one is there once; returns the file. */
export function saveInput(directory: string, input: Buffer): string {
  const file = path.join(directory, createHash('sha256').update(input).digest('hex').slice(0, 16))
  writeFileSync(file, input)
  return file
}
