import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { writeFileAtomic } from './atomic-file.ts'
import { type ConfigDirectory, type ConfigState, configNames } from './config-state.ts'
import type { InstallSettings } from './install-settings.ts'
import { insertPlugin, standaloneConfig } from './network-config.ts'

/** The files of the configuration directory that may be configurations; one that cannot be read counts as empty. */
export function readConfigDirectory(dir: string): ConfigDirectory {
  const files = new Map<string, string>()
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory() || !/\.conf(list)?$/.test(entry.name)) continue
    files.set(entry.name, read(path.join(dir, entry.name)))
  }
  return files
}

/** Other programs own this directory: a file may be gone again, or be a link to nowhere. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** The file that our entry goes into, or undefined while there is none to wait for (docs/spec/cni.md 3.4, step 2). */
export function sourceFile(settings: InstallSettings, state: ConfigState): string | undefined {
  const { configDir, mode } = settings
  if (mode.kind === 'standalone') return path.join(configDir, state.primary || 'YYY-istio-cni.conf')
  if (state.primary === '') {
    const [first] = configNames(readConfigDirectory(configDir))
    return first === undefined ? undefined : path.join(configDir, first)
  }
  const named = path.join(configDir, state.primary)
  const sibling = named.endsWith('.conf') ? `${named}list` : named.replace(/\.conflist$/, '.conf')
  return [named, sibling].find(file => existsSync(file))
}

/** Writes the configuration and returns the path it ended up at. */
export function writeConfig(settings: InstallSettings, source: string): string {
  const { mode, plugin, configDir, confGroupRead } = settings
  const ownMode = confGroupRead ? 0o640 : 0o600
  if (mode.kind === 'standalone') {
    writeFileAtomic(source, standaloneConfig(plugin), ownMode)
    return source
  }
  const merged = merge(source, settings)
  if (mode.kind === 'own') {
    const target = path.join(configDir, mode.fileName)
    writeFileAtomic(target, merged, ownMode)
    return asList(target)
  }
  writeFileAtomic(source, merged, statSync(source).mode & 0o7777)
  return asList(source)
}

function merge(source: string, { plugin }: InstallSettings): string {
  try {
    return insertPlugin(readFileSync(source, 'utf8'), plugin)
  } catch (cause) {
    throw new Error(`cannot chain into CNI configuration ${source}: ${(cause as Error).message}`, { cause })
  }
}

/** A list in a `.conf` would not be read as one. */
function asList(file: string): string {
  if (!file.endsWith('.conf')) return file
  renameSync(file, `${file}list`)
  return `${file}list`
}
