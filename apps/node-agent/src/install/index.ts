/** The installer (docs/spec/cni.md section 3). */
export type { ConfigMode } from './config-state.ts'
export type { InstallResult, InstallSettings } from './install-settings.ts'
export { createInstaller, type Installer, type InstallerOptions } from './installer.ts'
export { type DaemonSetAnswer, type ShutdownInput, shouldCleanUp } from './keep-or-clean.ts'
export type { PluginSettings } from './network-config.ts'
