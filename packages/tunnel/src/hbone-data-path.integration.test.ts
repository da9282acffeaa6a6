import { createHboneDataPath } from './index.ts'
import { dataPathIntegration } from './testing/index.ts'

dataPathIntegration('the data path over @culvert/hbone', () =>
  createHboneDataPath({ log: { warn: () => {}, debug: () => {} } })
)
