import { createDataPath } from './index.ts'
import { createHboneDataPath, dataPathConformance } from './testing/index.ts'

const log = { warn: () => {}, debug: () => {} }
const engine = () => createDataPath({ log })
const hbone = () => createHboneDataPath({ log })

dataPathConformance('the tunnel engine', { client: engine })
dataPathConformance('the tunnel engine on four threads', { client: () => createDataPath({ log, threads: 4 }) })
dataPathConformance('from OpenSSL’s records to our own, with many keys', {
  client: () => createDataPath({ log, tls: { records: 'openssl' } }),
  server: () => createDataPath({ log, tls: { recordsPerKey: 3 } })
})
dataPathConformance('@culvert/hbone', { client: hbone })
dataPathConformance('from the tunnel engine to @culvert/hbone', { client: engine, server: hbone })
dataPathConformance('from @culvert/hbone to the tunnel engine', { client: hbone, server: engine })
