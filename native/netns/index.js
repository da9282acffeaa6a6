import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

// The add-on uses Node-API 10 and libuv's poll handles. Loaded into a Node without them it would not fail but crash.
const builtFor = [22, 24, 26]
const major = Number(process.versions.node.split('.')[0])
if (!builtFor.includes(major)) {
  throw new Error(`@culvert/native-netns works in Node ${builtFor.join(', ')}; this is ${process.version}`)
}
if (process.platform !== 'linux') {
  throw new Error(`@culvert/native-netns works on Linux only; this is ${process.platform}`)
}

const file = fileURLToPath(new URL(`build/netns-linux-${process.arch}.node`, import.meta.url))
const binding = createRequire(import.meta.url)(file)

export const READABLE = 1
export const WRITABLE = 2
export const {
  Poll,
  accept,
  bindInet,
  bindUnix,
  connectUnix,
  constants,
  createNetns,
  duplicate,
  getsockopt,
  getsockoptAddress,
  listen,
  namespaceType,
  receiveMessage,
  sendMessage,
  setsockopt,
  socket,
  withNetns
} = binding
