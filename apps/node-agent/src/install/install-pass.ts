import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { removeTemporaries, writeFileAtomic } from './atomic-file.ts'
import type { InstallSettings } from './install-settings.ts'
import { pluginKubeconfig } from './kubeconfig.ts'

/** Copies every regular file into every target directory, each by rename; the paths written. */
export function copyBinaries({ binariesDir, targetDirs }: InstallSettings): string[] {
  const written: string[] = []
  for (const source of executables(binariesDir)) {
    for (const dir of targetDirs) {
      mkdirSync(dir, { recursive: true })
      const target = path.join(dir, path.basename(source))
      removeTemporaries(target)
      const temporary = `${target}.tmp.${randomBytes(4).toString('hex')}`
      try {
        // Keeps the source's mode.
        copyFileSync(source, temporary)
        renameSync(temporary, target)
      } catch (error) {
        rmSync(temporary, { force: true })
        throw error
      }
      written.push(target)
    }
  }
  if (written.length === 0) throw new Error(`${binariesDir} holds no executable to install`)
  return written
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
