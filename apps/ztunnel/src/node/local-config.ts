import { readFileSync } from 'node:fs'
import {
  applyLocalConfig,
  type Dump,
  dumpLocalConfig,
  type LocalConfig,
  type PolicyStore,
  parseLocalConfig,
  type WorkloadIndex
} from '@culvert/workloads'
import { invalidVariable } from '../settings/errors.ts'
import type { Settings } from '../settings/settings.ts'

/** The local configuration, read once, before xDS (docs/spec/zds.md 5.4). Returns what the dump shows of it. */
export function loadLocalConfig(source: Settings['localConfig'], index: WorkloadIndex, policies: PolicyStore): Dump {
  const config = source === undefined ? nothing : parse(source)
  applyLocalConfig(config, { index, policies })
  return dumpLocalConfig(config)
}

const nothing: LocalConfig = { workloads: [], services: [], policies: [] }

function parse(source: NonNullable<Settings['localConfig']>): LocalConfig {
  try {
    return parseLocalConfig('text' in source ? source.text : readFileSync(source.path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if ('text' in source) throw invalidVariable('LOCAL_XDS', '…', reason)
    throw invalidVariable('LOCAL_XDS_PATH', source.path, reason)
  }
}
