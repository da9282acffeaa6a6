import type { Logger } from '@culvert/telemetry'
import {
  applyLocalConfig,
  applyLocalFile,
  type Dump,
  dumpLocalConfig,
  followLocalConfig,
  type LoadedConfig,
  type LocalNames,
  type LocalState,
  loadLocalConfig,
  noNames,
  parseLocalConfig,
  releaseMemory
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
  const names = await wellFounded(source, () => applySource(source, state, { withNames: localConfigReload }))
  releaseMemory()
  return {
    dump: async () => dumpLocalConfig(await load(source).catch((error: unknown) => unreadable(error, log))),
    follow(signal) {
      if (!localConfigReload || 'text' in source) return
      const { path } = source
      void followLocalConfig(path, names, state, {
        signal,
        onLoaded: () => log.info('local configuration loaded again', { path }),
        onError: error => log.error('local configuration kept as it was', { path, error: error.message })
      })
    }
  }
}

type Source = NonNullable<Settings['localConfig']>

const nothing: LoadedConfig = { workloads: [], services: [], policies: [] }

async function applySource(
  source: Source,
  state: LocalState,
  options: { readonly withNames: boolean }
): Promise<LocalNames> {
  if ('path' in source) return await applyLocalFile(source.path, state, options)
  applyLocalConfig(parseLocalConfig(source.text), state)
  return noNames
}

const load = (source: Source): Promise<LoadedConfig> =>
  wellFounded(source, async () =>
    'text' in source ? parseLocalConfig(source.text) : await loadLocalConfig(source.path)
  )

/** A failure names the variable it comes from. */
async function wellFounded<Result>(source: Source, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use()
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
