import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

// The add-on uses Node-API 10 and the OpenSSL inside Node. Loaded into a Node without them it would not fail but crash.
const builtFor = [24, 26]
const major = Number(process.versions.node.split('.')[0])
if (!builtFor.includes(major)) {
  throw new Error(`@culvert/native-tunnel works in Node ${builtFor.join(', ')}; this is ${process.version}`)
}
if (process.platform !== 'linux') {
  throw new Error(`@culvert/native-tunnel works on Linux only; this is ${process.platform}`)
}

const file = fileURLToPath(new URL(`build/tunnel-linux-${process.arch}.node`, import.meta.url))
export const { Engine, credential, opensslVersion } = createRequire(import.meta.url)(file)

// Another major or minor version has other structures behind the same names.
const [built, running] = [opensslVersion, process.versions.openssl].map(version => version.split('.', 2).join('.'))
if (built !== running) {
  throw new Error(`@culvert/native-tunnel was built for OpenSSL ${built}; this Node has OpenSSL ${running}`)
}
