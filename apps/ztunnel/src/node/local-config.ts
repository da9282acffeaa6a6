import type { Logger } from '@culvert/telemetry'
import {
  applyLoadedConfig,
  type Dump,
  dumpLocalConfig,
  followLocalConfig,
  type LoadedConfig,
  type LocalState,
  loadLocalConfig,
  parseLocalConfig
} from '@culvert/workloads'
import { invalidVariable } from '../settings/errors.ts'
import type { Settings } from '../settings/settings.ts'

export interface LocalConfiguration {
  /** What the dump shows of it: as upstream's, the source as it is when somebody asks. */
  readonly dump: () => Promise<Dump>
  /** CULVERT_LOCAL_XDS_RELOAD: keeps up with the file until `signal` aborts. Nothing otherwise. */
  readonly follow: (signal: AbortSignal) => void
}

/** The local configuration, read once, before xDS (docs/spec/zds.md 5.4). */
export async function applyLocalConfiguration(
  { localConfig: source, localConfigReload }: Pick<Settings, 'localConfig' | 'localConfigReload'>,
  state: LocalState,
  log: Logger
): Promise<LocalConfiguration> {
  if (source === undefined) return { dump: async () => dumpLocalConfig(nothing), follow: () => undefined }
  const first = await load(source)
  await applyLoadedConfig(first, state)
  return {
    dump: async () => dumpLocalConfig(await load(source).catch((error: unknown) => unreadable(error, log))),
    follow: following(source, localConfigReload ? first : undefined, state, log)
  }
}

type Source = NonNullable<Settings['localConfig']>

const nothing: LoadedConfig = { workloads: [], services: [], policies: [] }

async function load(source: Source): Promise<LoadedConfig> {
  try {
    return 'text' in source ? parseLocalConfig(source.text) : await loadLocalConfig(source.path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if ('text' in source) throw invalidVariable('LOCAL_XDS', '…', reason)
    throw invalidVariable('LOCAL_XDS_PATH', source.path, reason)
  }
}

function unreadable(error: unknown, log: Logger): LoadedConfig {
  log.error('cannot show the local configuration', { error: String(error) })
  return nothing
}

/** A function of its own, so that what was read is forgotten where nothing is followed. */
function following(
  source: Source,
  first: LoadedConfig | undefined,
  state: LocalState,
  log: Logger
): LocalConfiguration['follow'] {
  if (first === undefined || 'text' in source) return () => undefined
  const { path } = source
  return signal =>
    void followLocalConfig(path, first, state, {
      signal,
      onLoaded: () => log.info('local configuration loaded again', { path }),
      onError: error => log.error('local configuration kept as it was', { path, error: error.message })
    })
}
