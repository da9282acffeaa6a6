// Compiles the add-ons of native/* whose sources changed, with the headers of the Node that runs this.
// Direct g++ calls: no network, no Python, no make (docs: CONTRIBUTING.md, "change an add-on").
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const nodeHeaders = path.join(path.dirname(path.dirname(process.execPath)), 'include/node')

for (const name of fs.readdirSync(path.join(root, 'native'))) {
  const dir = path.join(root, 'native', name)
  const sources = fs.existsSync(path.join(dir, 'src'))
    ? fs.readdirSync(path.join(dir, 'src')).filter(file => /\.(cc|h)$/.test(file))
    : []
  if (sources.length === 0) continue
  const digest = createHash('sha256').update(process.version)
  for (const file of sources.sort()) digest.update(file).update(fs.readFileSync(path.join(dir, 'src', file)))
  const stamp = digest.digest('hex')
  const output = path.join(dir, 'build', `${name}-${process.platform}-${process.arch}.node`)
  const stampFile = `${output}.stamp`
  if (fs.existsSync(output) && fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === stamp) continue
  const addonApi = path.dirname(createRequire(path.join(dir, 'package.json')).resolve('node-addon-api/package.json'))
  fs.mkdirSync(path.dirname(output), { recursive: true })
  const temporary = `${output}.${process.pid}.tmp`
  const result = spawnSync(
    'g++',
    [
      ...['-std=c++20', '-O2', '-g1', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
      ...['-DNODE_ADDON_API_CPP_EXCEPTIONS', '-DNAPI_VERSION=10'],
      ...['-isystem', nodeHeaders, '-isystem', addonApi, '-o', temporary],
      ...sources.filter(file => file.endsWith('.cc')).map(file => path.join(dir, 'src', file))
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] }
  )
  if (result.status !== 0) {
    console.error(`culvert: native/${name} does not compile${result.error ? ` (${result.error.message})` : ''}`)
    process.exit(1)
  }
  fs.renameSync(temporary, output)
  fs.writeFileSync(stampFile, stamp)
}
