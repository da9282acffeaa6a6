import { randomBytes } from 'node:crypto'
import {
  type BigIntStats,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync
} from 'node:fs'
import { copyFile } from 'node:fs/promises'
import path from 'node:path'
import { removeTemporaries, writeFileAtomic } from './atomic-file.ts'
import type { InstallSettings } from './install-settings.ts'
import { pluginKubeconfig } from './kubeconfig.ts'

/** Copies executables into target directories. */
export interface BinaryCopier {
  /** Every regular file into every target directory, each by rename; the paths that are in place then. */
  copy(): Promise<string[]>
}

/**
 * The plugin is over 100 MB and a pass follows every change of a token: a file that this copier has put in place, and
 * that nobody has touched since, is not copied again.
 */
export function createBinaryCopier({ binariesDir, targetDirs }: InstallSettings): BinaryCopier {
  /** Target path → how source and target looked after the copy. */
  const copied = new Map<string, string>()
  return {
    async copy() {
      const targets: string[] = []
      for (const source of executables(binariesDir)) {
        for (const dir of targetDirs) {
          mkdirSync(dir, { recursive: true })
          const target = path.join(dir, path.basename(source))
          targets.push(target)
          removeTemporaries(target)
          const before = looks(source)
          if (copied.get(target) === before + looks(target)) continue
          await replace(source, target)
          copied.set(target, before + looks(target))
        }
      }
      if (targets.length === 0) throw new Error(`${binariesDir} holds no executable to install`)
      return targets
    }
  }
}

async function replace(source: string, target: string): Promise<void> {
  const temporary = `${target}.tmp.${randomBytes(4).toString('hex')}`
  try {
    // Keeps the source's mode.
    await copyFile(source, temporary)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** Unlike the time of the last write, that of the last change (ctime) cannot be set back by whoever wrote the file. */
function looks(file: string): string {
  const stat: BigIntStats | undefined = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? ' absent' : ` ${stat.dev}:${stat.ino} ${stat.size} ${stat.ctimeNs}`
}

function executables(binaries: string): string[] {
  if (statSync(binaries).isFile()) return [binaries]
  return readdirSync(binaries)
    .map(name => path.join(binaries, name))
    .filter(file => statSync(file).isFile())
}

/** Writes the plugin's kubeconfig from the service account's files as they are now. */
export function writeKubeconfig({ kubeconfig, serviceAccountDir }: InstallSettings): void {
  const { path: file, mode, protocol, host, port, caFile, skipTlsVerify } = kubeconfig
  const token = readFileSync(path.join(serviceAccountDir, 'token'), 'utf8')
  const caCertificate = skipTlsVerify
    ? undefined
    : readFileSync(caFile || path.join(serviceAccountDir, 'ca.crt'), 'utf8')
  const dir = path.dirname(file)
  if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o750 })
  writeFileAtomic(file, pluginKubeconfig({ protocol, host, port, caCertificate, token }), mode)
}
