/**
 * Builds `build/istio-cni`: Node itself with the plugin inside, one file that runs without anything else on the host.
 * A finished build is reused as long as the sources, Node and this recipe are the same.
 *
 *     node --conditions=source apps/cni-plugin/build.ts
 */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const out = path.join(here, 'build')

/** Documented by Node: where postject marks the blob as present. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** Embedded in the executable; documented in Node's "Single executable applications". */
const embedding = {
  disableExperimentalSEAWarning: true,
  // Compiled bytecode of the bundle, so that a start does not parse it again.
  useCodeCache: true,
  useSnapshot: false,
  // A container runtime's NODE_OPTIONS must not reach the plugin.
  execArgvExtension: 'none'
}

/** Builds if needed; returns the path of the executable. */
export async function buildPlugin(): Promise<string> {
  const target = path.join(out, 'istio-cni')
  const stamp = fingerprint()
  const stampFile = `${target}.stamp`
  if (fs.existsSync(target) && fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === stamp) return target

  fs.mkdirSync(out, { recursive: true })
  const work = fs.mkdtempSync(path.join(out, 'work-'))
  try {
    const main = path.join(work, 'istio-cni.cjs')
    const blob = path.join(work, 'istio-cni.blob')
    const configFile = path.join(work, 'sea.json')
    fs.writeFileSync(main, await bundleSources())
    fs.writeFileSync(configFile, JSON.stringify({ main, output: blob, ...embedding }))
    run(process.execPath, ['--experimental-sea-config', configFile])
    const executable = path.join(work, 'istio-cni')
    fs.copyFileSync(strippedNode(), executable)
    // The command and not the function: it prints warnings about sections of Node that mean nothing to anybody.
    const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js')
    run(process.execPath, [postject, executable, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', fuse])
    fs.chmodSync(executable, 0o755)
    fs.renameSync(executable, target)
    fs.writeFileSync(stampFile, stamp)
    return target
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

/** Of everything that goes in: our sources, this recipe, the packages that are bundled or bundle, Node. */
function fingerprint(): string {
  const sources = fs
    .readdirSync(path.join(here, 'src'))
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  const files = [
    import.meta.filename,
    path.join(here, 'package.json'),
    ...sources.map(file => path.join(here, 'src', file))
  ]
  const packages = ['yaml', 'esbuild', 'postject'].map(name => path.join(here, 'node_modules', name, 'package.json'))
  const digest = createHash('sha256').update(`${process.version} ${process.arch}`)
  for (const file of [...files.sort(), ...packages]) {
    digest.update(`\0${path.relative(here, file)}\0`).update(fs.readFileSync(file))
  }
  return digest.digest('hex')
}

async function bundleSources(): Promise<string> {
  // Loaded only to build: most calls find the executable up to date.
  const { buildSync } = await import('esbuild')
  const { version } = JSON.parse(fs.readFileSync(path.join(here, 'package.json'), 'utf8')) as { version: string }
  const { outputFiles } = buildSync({
    entryPoints: [path.join(here, 'src/main.ts')],
    absWorkingDir: here,
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    conditions: ['source'],
    // A single executable has no loader for import(): what is loaded late is required late.
    supported: { 'dynamic-import': false },
    define: { CULVERT_VERSION: JSON.stringify(version) }
  })
  return outputFiles[0]!.text
}

/** Symbols and debug information are a quarter of the file. After the blob is in, stripping would break it. */
function strippedNode(): string {
  const file = path.join(out, `node-${process.version}-${process.arch}-stripped`)
  if (fs.existsSync(file)) return file
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`
  fs.copyFileSync(fs.realpathSync(process.execPath), temporary)
  try {
    run('strip', [temporary])
    fs.renameSync(temporary, file)
  } finally {
    fs.rmSync(temporary, { force: true })
  }
  return file
}

function run(command: string, args: string[]): void {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stdout + stderr}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPlugin()
