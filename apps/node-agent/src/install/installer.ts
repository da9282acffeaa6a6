import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { writeFileAtomic } from './atomic-file.ts'
import { readConfigDirectory, sourceFile, writeConfig } from './config-files.ts'
import { type ConfigState, checkConfig } from './config-state.ts'
import { watchFiles } from './file-events.ts'
import { createBinaryCopier, writeKubeconfig } from './install-pass.ts'
import type { InstallResult, InstallSettings } from './install-settings.ts'
import { pluginType, removePlugin } from './network-config.ts'

export interface InstallerOptions {
  readonly settings: InstallSettings
  readonly log: { readonly info: (message: string) => void; readonly warn: (message: string) => void }
  /** Install-ready changed. */
  readonly onReady: (ready: boolean) => void
  readonly onResult: (result: InstallResult) => void
}

export interface Installer {
  /** Installs, then guards what it installed until the signal aborts. @throws Error when a pass fails. */
  run: (options: { readonly signal: AbortSignal }) => Promise<void>
  /** Takes config entry, kubeconfig and plugin off the node (docs/spec/cni.md 3.7). */
  cleanUp: () => void
}

/** More than one round in this time waits; the figures are 3.5's. */
const throttleWindow = 5000
const throttlePause = 1000
const suspiciousRounds = 5

export function createInstaller({ settings, log, onReady, onResult }: InstallerOptions): Installer {
  const { configDir, targetDirs, mode } = settings
  let state: ConfigState = { written: '', primary: settings.confName }
  const copier = createBinaryCopier(settings)
  let binaries: readonly string[] = []

  function valid(): boolean {
    const check = checkConfig(configDir, readConfigDirectory(configDir), mode, state)
    for (const warning of check.warnings) log.warn(warning)
    state = check.state
    return check.valid
  }

  async function pass(signal: AbortSignal): Promise<void> {
    await counted('COPY_BINARIES_FAILURE', async () => {
      binaries = await copier.copy()
    })
    await counted('CREATE_KUBECONFIG_FAILURE', () => writeKubeconfig(settings))
    await counted('CREATE_CNI_CONFIG_FAILURE', async () => {
      if (valid()) return
      if (mode.kind === 'own' && state.primary === '') {
        throw new Error('primary CNI config name is not specified, cannot write CNI config')
      }
      state = { ...state, written: writeConfig(settings, await waitForSource(signal)) }
      log.info(`wrote CNI configuration ${state.written}`)
    })
  }

  async function counted(failure: InstallResult, act: () => void | Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      onResult(failure)
      throw error
    }
  }

  async function waitForSource(signal: AbortSignal): Promise<string> {
    for (let told = false; ; ) {
      using events = watchFiles([configDir])
      const source = sourceFile(settings, state)
      if (source !== undefined) return source
      if (!told) log.info(`waiting for ${state.primary || 'a CNI configuration'} in ${configDir}`)
      told = true
      await events.next(signal)
    }
  }

  return {
    run: async ({ signal }) => {
      const throttle = createThrottle(log, () => state.written)
      await pass(signal)
      for (;;) {
        await throttle(signal)
        using events = watchFiles([...binaries, configDir, settings.serviceAccountDir])
        if (valid() && !events.happened()) {
          onResult('SUCCESS')
          onReady(true)
          await events.next(signal)
        }
        onReady(false)
        await pass(signal)
      }
    },
    cleanUp: () => {
      if (state.written !== '' && existsSync(state.written)) {
        if (mode.kind !== 'standalone' && !settings.ownConfigSetting) {
          const { mode: fileMode } = statSync(state.written)
          writeFileAtomic(state.written, removePlugin(readFileSync(state.written, 'utf8')), fileMode & 0o7777)
        } else rmSync(state.written)
      }
      rmSync(settings.kubeconfig.path, { force: true })
      for (const dir of targetDirs) rmSync(path.join(dir, pluginType), { force: true })
    }
  }
}

/** Slows rounds that follow each other closely, and tells when something keeps undoing our work. */
function createThrottle(log: InstallerOptions['log'], written: () => string): (signal: AbortSignal) => Promise<void> {
  let last = Number.NEGATIVE_INFINITY
  let quick = 0
  return async signal => {
    const since = performance.now() - last
    quick = since < throttleWindow ? quick + 1 : 0
    if (quick > 0) await pause(Math.min(throttlePause, throttleWindow - since), undefined, { signal })
    if (quick > suspiciousRounds) {
      const hint = written().includes('cilium') ? '; Cilium needs cni.exclusive=false' : ''
      log.warn(`something keeps reverting the CNI configuration ${written()}${hint}`)
    }
    last = performance.now()
  }
}
