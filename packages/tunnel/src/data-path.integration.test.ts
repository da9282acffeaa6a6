import { createDataPath } from './index.ts'
import { createHboneDataPath, dataPathEndurance, dataPathIntegration } from './testing/index.ts'

const log = { warn: () => {}, debug: () => {} }

dataPathIntegration('the tunnel engine', { client: () => createDataPath({ log }) })
dataPathEndurance('the tunnel engine', { client: () => createDataPath({ log }) })
dataPathIntegration('@culvert/hbone', { client: () => createHboneDataPath({ log }) })
