import type { ConfigMode } from './config-state.ts'
import type { PluginSettings } from './network-config.ts'

/** Everything one install pass needs (docs/spec/cni.md 3.1, 3.2). */
export interface InstallSettings {
  /** Every regular file of it is copied; it may also be one file. */
  readonly binariesDir: string
  readonly targetDirs: readonly string[]
  readonly configDir: string
  readonly mode: ConfigMode
  /** CNI_CONF_NAME; empty if not given. */
  readonly confName: string
  /** ISTIO_OWNED_CNI_CONFIG as given, whatever the other settings say: clean-up asks for this alone. */
  readonly ownConfigSetting: boolean
  /** CNI_CONF_GROUP_READ */
  readonly confGroupRead: boolean
  readonly plugin: PluginSettings
  readonly kubeconfig: {
    readonly path: string
    readonly mode: number
    readonly protocol: string
    readonly host: string
    readonly port: string
    /** KUBE_CA_FILE; empty for the service account's. */
    readonly caFile: string
    readonly skipTlsVerify: boolean
  }
  /** Where the token and ca.crt are; watched. */
  readonly serviceAccountDir: string
}

/** `result` of istio_cni_installs_total. */
export type InstallResult =
  | 'SUCCESS'
  | 'COPY_BINARIES_FAILURE'
  | 'CREATE_KUBECONFIG_FAILURE'
  | 'CREATE_CNI_CONFIG_FAILURE'
