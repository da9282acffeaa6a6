import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { LabError } from '../errors.ts'

/** Files of a volume by their path inside it. */
export type Payload = ReadonlyMap<string, { readonly data: Buffer; readonly mode: number }>

/**
 * Puts a payload into a directory the way a kubelet does: files in a fresh directory, `..data` pointing to it, every
 * top-level name a link through `..data`. Replacing that one link changes all files at the same moment, so readers
 * never see half an update.
 */
export function writePayload(directory: string, payload: Payload): void {
  const current = readLink(path.join(directory, '..data'))
  if (current !== undefined && holds(path.join(directory, current), payload)) return
  const fresh = `..${new Date().toISOString().replace(/[-:T]/g, '_').slice(0, 19)}.${randomBytes(5).readUIntBE(0, 5)}`
  for (const [name, { data, mode }] of payload) {
    const file = path.join(directory, fresh, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, data)
    fs.chmodSync(file, mode) // writeFileSync's own mode goes through the umask
  }
  fs.mkdirSync(path.join(directory, fresh), { recursive: true }) // also when there are no files
  fs.symlinkSync(fresh, path.join(directory, '..data_tmp'))
  fs.renameSync(path.join(directory, '..data_tmp'), path.join(directory, '..data'))
  const names = new Set([...payload.keys()].map(name => name.split('/', 1)[0]!))
  for (const name of names) {
    const link = path.join(directory, name)
    if (readLink(link) === undefined) fs.symlinkSync(path.join('..data', name), link)
  }
  for (const name of fs.readdirSync(directory)) {
    const stale = name === current || (!name.startsWith('..') && !names.has(name))
    if (stale) fs.rmSync(path.join(directory, name), { recursive: true, force: true })
  }
}

/** A path from a manifest that must stay inside its volume. */
export function checkedItemPath(file: string): string {
  const parts = file.split('/')
  if (file === '' || file.startsWith('/') || parts.includes('..') || parts[0]!.startsWith('..')) {
    throw new LabError('LAB_VOLUME', `path '${file}' must be relative and stay inside its volume`)
  }
  return path.normalize(file)
}

function readLink(file: string): string | undefined {
  try {
    return fs.readlinkSync(file)
  } catch {
    return undefined
  }
}

function holds(directory: string, payload: Payload): boolean {
  const files = fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(directory, path.join(entry.parentPath, entry.name)))
  if (files.length !== payload.size) return false
  return files.every(file => payload.get(file)?.data.equals(fs.readFileSync(path.join(directory, file))) ?? false)
}
