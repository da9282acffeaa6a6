import type { PolicyStore, WorkloadIndex } from '@culvert/workloads'
import { SettingError } from '../settings/errors.ts'
import type { Settings } from '../settings/settings.ts'

export async function loadLocalConfig(settings: Settings, _index: WorkloadIndex, _policies: PolicyStore): Promise<unknown> {
  if (settings.localConfig !== undefined) throw new SettingError('LOCAL_XDS and LOCAL_XDS_PATH cannot be read yet')
  return { policies: [], services: [], workloads: [] }
}
