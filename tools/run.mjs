#!/usr/bin/env node
// The one entry point behind every npm script: makes a fresh machine ready, then runs the task with the pinned Node.
// Plain JavaScript for the machine's own Node (20 or later), without dependencies.
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const [task = 'help', ...args] = process.argv.slice(2)
/** Where the pinned pnpm is, once it is there. */
let pnpmDir = ''

class SetupError extends Error {}

/** Debian packages by the executable that shows they are there. */
const systemPackages = {
  'g++': 'g++',
  ip: 'iproute2',
  ipset: 'ipset',
  'iptables-save': 'iptables',
  nft: 'nftables',
  nsenter: 'util-linux',
  tcpdump: 'tcpdump',
  '/usr/lib/cni/bridge': 'containernetworking-plugins'
}

/** And those that only the benchmark needs, of which a test runs a piece. */
const benchPackages = {
  '/usr/include/openssl/ssl.h': 'libssl-dev',
  curl: 'curl',
  iperf3: 'iperf3',
  openssl: 'openssl',
  sysctl: 'procps',
  wrk: 'wrk'
}

/** What check:native needs beyond that. */
const nativeCheckPackages = {
  'clang++': 'clang',
  'clang-tidy': 'clang-tidy',
  '/usr/include/openssl/ssl.h': 'libssl-dev'
}

const tasks = {
  setup: () => {
    // Fills the compile cache: a first start without it takes longer and 20 MB more.
    spawnSync('apps/ztunnel/bin/ztunnel', ['version'], { cwd: root, stdio: 'ignore' })
    console.log(`ready: Node ${pinnedNodeVersion()} in ${path.relative(process.cwd(), nodeDir()) || '.'}`)
  },
  demo: () => runNode(['apps/demo/src/main.ts', ...args]),
  test: () => runNode(['tools/test.ts', ...args]),
  'coverage:spec': () => runNode(['tools/spec-coverage.ts', ...args]),
  fuzz: () => runNode(['tools/fuzz/index.ts', ...args]),
  bench: () => runNode(['apps/bench/src/main.ts', ...args]),
  check: () => runNode(['tools/check.ts', ...args]),
  'check:native': () => {
    installSystemPackages(nativeCheckPackages)
    // The sanitizers' and the fuzzer's runtime of just this clang.
    const runtime = spawnSync(
      'clang++',
      [`-print-file-name=libclang_rt.fuzzer-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.a`],
      { encoding: 'utf8' }
    )
    installSystemPackages({ [path.resolve(runtime.stdout.trim())]: 'libclang-rt-dev' })
    runNode(['tools/check-native/index.ts', ...args])
  },
  format: () => run(bin('biome'), ['check', '--write', ...args]),
  build: () => run(bin('turbo'), ['run', 'build', ...args]),
  /** Anything else with the pinned tools on PATH: npm run setup && node tools/run.mjs exec vitest … */
  exec: () => run(args[0] ?? 'true', args.slice(1))
}

try {
  if (!Object.hasOwn(tasks, task)) {
    throw new SetupError(`unknown task '${task}'; known: ${Object.keys(tasks).join(', ')}`)
  }
  prepare()
  tasks[task]()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`culvert: ${error.message}`)
  process.exitCode = 1
}

function prepare() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new SetupError(`Culvert runs on Linux x64 and arm64; this is ${process.platform} ${process.arch}`)
  }
  const release = lock(path.join(root, '.toolchain.lock'))
  try {
    installSystemPackages({ ...systemPackages, ...(['bench', 'test'].includes(task) && benchPackages) })
    const pnpm = installPnpm()
    pnpmDir = path.dirname(pnpm)
    installWorkspace(pnpm)
    checkNode()
    buildNative()
  } finally {
    release()
  }
}

function installSystemPackages(wanted) {
  const missing = Object.entries(wanted).filter(([name]) => !found(name))
  if (missing.length === 0) return
  const names = [...new Set(missing.map(([, name]) => name))]
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`
  if (process.getuid() !== 0) throw new SetupError(`these system packages are missing; as root run: ${command}`)
  if (!found('apt-get')) throw new SetupError(`this machine has no apt-get; install what provides: ${names.join(', ')}`)
  console.error(`culvert: installing ${names.join(', ')}`)
  const env = { ...environment(), DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...more) =>
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-qq', ...more], { env, encoding: 'utf8' })
  const install = ['install', '-y', '--no-install-recommends', ...names]
  // The package lists of a fresh machine are empty or old: refresh them only if needed.
  if (apt(...install).status === 0) return
  apt('update')
  const result = apt(...install)
  if (result.status !== 0) throw new SetupError(`apt-get could not install ${names.join(', ')}:\n${result.stderr}`)
}

function installPnpm() {
  const source = path.join(root, 'tools/toolchain')
  const files = ['package.json', 'package-lock.json', '.npmrc']
  const dir = path.join(root, '.toolchain', hash(files.map(file => path.join(source, file))))
  const pnpm = path.join(dir, `node_modules/@pnpm/exe.linux-${process.arch}/pnpm`)
  if (fs.existsSync(path.join(dir, '.ok'))) return pnpm
  const temporary = `${dir}.${randomBytes(4).toString('hex')}.tmp`
  fs.mkdirSync(temporary, { recursive: true })
  for (const file of files) fs.copyFileSync(path.join(source, file), path.join(temporary, file))
  const result = spawnSync('npm', ['ci', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: temporary,
    env: environment(),
    encoding: 'utf8'
  })
  if (result.status !== 0) {
    fs.rmSync(temporary, { recursive: true, force: true })
    throw new SetupError(
      `npm could not install pnpm (is the npm registry reachable?):\n${result.error ?? result.stderr}`
    )
  }
  fs.writeFileSync(path.join(temporary, '.ok'), '')
  fs.rmSync(dir, { recursive: true, force: true })
  fs.renameSync(temporary, dir)
  return pnpm
}

function installWorkspace(pnpm) {
  const manifests = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']
  for (const group of ['packages', 'apps', 'native']) {
    if (!fs.existsSync(path.join(root, group))) continue
    for (const name of fs.readdirSync(path.join(root, group))) manifests.push(`${group}/${name}/package.json`)
  }
  const stamp = hash(manifests.map(file => path.join(root, file)).filter(file => fs.existsSync(file)))
  const stampFile = path.join(root, 'node_modules/.culvert-installed')
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === stamp) return
  console.error('culvert: installing packages')
  const result = spawnSync(pnpm, ['install', '--frozen-lockfile', '--prefer-offline'], {
    cwd: root,
    env: environment(),
    encoding: 'utf8'
  })
  if (result.status !== 0)
    throw new SetupError(`pnpm install failed:\n${result.error ?? result.stdout + result.stderr}`)
  fs.writeFileSync(stampFile, stamp)
}

function checkNode() {
  const result = spawnSync(path.join(nodeDir(), 'node'), ['--version'], { encoding: 'utf8' })
  if (result.status !== 0) throw new SetupError(`the pinned Node does not start: ${result.error ?? result.stderr}`)
}

function buildNative() {
  const result = spawnSync(path.join(nodeDir(), 'node'), ['tools/build-native.mjs'], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'inherit', 'inherit']
  })
  if (result.status !== 0) throw new SetupError('the native add-ons could not be built')
  if (!fs.existsSync(path.join(root, 'apps/cni-plugin/build.ts'))) return
  const plugin = spawnSync(path.join(nodeDir(), 'node'), ['--conditions=source', 'apps/cni-plugin/build.ts'], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'inherit', 'inherit']
  })
  if (plugin.status !== 0) throw new SetupError('the CNI plugin executable could not be built')
}

function nodeDir() {
  return path.join(root, `node_modules/node-linux-${process.arch}/bin`)
}

function pinnedNodeVersion() {
  return spawnSync(path.join(nodeDir(), 'node'), ['--version'], { encoding: 'utf8' }).stdout.trim()
}

function bin(name) {
  return path.join(root, 'node_modules/.bin', name)
}

function runNode(nodeArgs) {
  run(path.join(nodeDir(), 'node'), ['--conditions=source', ...nodeArgs])
}

/** The task gets the terminal: its signals, its output, its exit status. */
function run(command, commandArgs) {
  // Ctrl-C reaches the whole process group; the task cleans up and ends by itself.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
  const result = spawnSync(command, commandArgs, { cwd: root, env: environment(), stdio: 'inherit' })
  if (result.error) throw new SetupError(`cannot run ${command}: ${result.error.message}`)
  process.exitCode = result.status ?? 128 + (os.constants.signals[result.signal] ?? 0)
}

function environment() {
  const env = {
    ...process.env,
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    npm_config_update_notifier: 'false',
    PATH: [
      nodeDir(),
      pnpmDir,
      path.join(root, 'node_modules/.bin'),
      process.env.PATH ?? '',
      '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    ].join(':')
  }
  // Without a usable home the tools keep their caches inside the checkout.
  if (!env.HOME || !fs.existsSync(env.HOME)) env.HOME = path.join(root, '.toolchain')
  return env
}

function found(name) {
  if (name.startsWith('/')) return fs.existsSync(name)
  return environment()
    .PATH.split(':')
    .some(dir => dir !== '' && fs.existsSync(path.join(dir, name)))
}

function hash(files) {
  const digest = createHash('sha256')
  for (const file of files)
    digest
      .update(`${path.relative(root, file)}\0`)
      .update(fs.readFileSync(file))
      .update('\0')
  return digest.digest('hex').slice(0, 16)
}

/** A lock file holding our pid; one whose owner is gone is taken over. */
function lock(file) {
  for (;;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => fs.rmSync(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw new SetupError(`cannot write ${file}: ${error.message}`)
    }
    let owner = Number.NaN
    try {
      owner = Number(fs.readFileSync(file, 'utf8'))
      process.kill(owner, 0)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    } catch (error) {
      if (error.code === 'ESRCH' || (Number.isInteger(owner) && owner <= 0)) fs.rmSync(file, { force: true })
    }
  }
}
