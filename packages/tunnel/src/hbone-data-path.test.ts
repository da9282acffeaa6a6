import { createHboneDataPath } from './index.ts'
import { dataPathConformance } from './testing/index.ts'

dataPathConformance('the data path over @culvert/hbone', () =>
  createHboneDataPath({ log: { warn: () => {}, debug: () => {} } })
)
