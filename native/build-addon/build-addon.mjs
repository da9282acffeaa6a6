// Compiles one add-on: every .cc below its src into build/NAME-PLATFORM-ARCH.node, with the headers of the Node that runs
// this. Direct g++ calls: no network, no Python, no make. What did not change is not compiled again.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

const nodeHeaders = path.join(path.dirname(path.dirname(process.execPath)), 'include/node')
function compilerFlags(dir) {
  const addonApi = path.dirname(createRequire(path.join(dir, 'package.json')).resolve('node-addon-api/package.json'))
  return [
    ...['-std=c++20', '-O2', '-g1', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
    ...['-DNODE_ADDON_API_CPP_EXCEPTIONS', '-DNAPI_VERSION=10', '-isystem', nodeHeaders, '-isystem', addonApi]
  ]
}

/** Where an add-on is, for this platform. */
export const addonFile = (name, dir) => path.join(dir, 'build', `${name}-${process.platform}-${process.arch}.node`)

/** Rejects with the reason when the sources do not compile; what the compiler says is on standard error. */
export async function buildAddon(name, dir) {
  const sources = fs.existsSync(path.join(dir, 'src'))
    ? fs.readdirSync(path.join(dir, 'src'), { recursive: true }).filter(file => /\.(cc|h)$/.test(file))
    : []
  if (sources.length === 0) return
  const read = file => fs.readFileSync(path.join(dir, 'src', file))
  const digest = createHash('sha256').update(process.version)
  for (const file of sources.sort()) digest.update(file).update(read(file))
  const stamp = digest.digest('hex')
  const output = addonFile(name, dir)
  const stampFile = `${output}.stamp`
  if (fs.existsSync(output) && fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === stamp) return

  const flags = compilerFlags(dir)
  // An object is named by what went into it: its source, every header, the flags and the Node.
  const common = createHash('sha256').update(process.version).update(flags.join('\0'))
  for (const file of sources.filter(file => file.endsWith('.h'))) common.update(file).update(read(file))
  const objectDir = path.join(dir, 'build', 'objects')
  fs.mkdirSync(objectDir, { recursive: true })
  const jobs = sources
    .filter(file => file.endsWith('.cc'))
    .map(file => {
      const hash = common.copy().update(file).update(read(file)).digest('hex').slice(0, 16)
      return { source: path.join(dir, 'src', file), object: path.join(objectDir, `${hash}.o`) }
    })
  const objects = jobs.map(({ object }) => object)
  const missing = jobs.filter(({ object }) => !fs.existsSync(object))
  const compileNext = async () => {
    for (let job = missing.shift(); job !== undefined; job = missing.shift()) {
      const temporary = `${job.object}.${process.pid}.tmp`
      await compiler([...flags, '-c', '-o', temporary, job.source])
      fs.renameSync(temporary, job.object)
    }
  }
  await Promise.all(Array.from({ length: os.availableParallelism() }, compileNext))
  const temporary = `${output}.${process.pid}.tmp`
  await compiler(['-shared', '-o', temporary, ...objects])
  fs.renameSync(temporary, output)
  fs.writeFileSync(stampFile, stamp)
  for (const file of fs.readdirSync(objectDir)) {
    if (file.endsWith('.o') && !objects.includes(path.join(objectDir, file))) fs.rmSync(path.join(objectDir, file))
  }
}

async function compiler(args) {
  const child = spawn('g++', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const reason = await new Promise(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('exit', (code, signal) => resolve(code === 0 ? undefined : `g++ ended with ${code ?? signal}`))
  })
  if (reason !== undefined) throw new Error(reason)
}
