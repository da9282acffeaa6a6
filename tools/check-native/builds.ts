// The builds of native/tunnel that the checks run: what is in them, and with which sanitizers.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { compile, link, type Toolset, tunnel } from './compile.ts'

const common = ['-std=c++20', '-O1', '-g1', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-Werror']
const libraries = ['-lssl', '-lcrypto', '-lpthread']
/** Tests let it fail (test/refused-watch.cc). */
const wrapped = ['-Wl,--wrap=epoll_ctl']

/** Memory errors, leaks, undefined behaviour; the objects are also the fuzzers'. */
const address: Toolset = {
  name: 'address',
  compiler: 'clang++',
  flags: [...common, '-fsanitize=fuzzer-no-link,address,undefined', '-fno-sanitize-recover=undefined']
}
const thread: Toolset = { name: 'thread', compiler: 'clang++', flags: [...common, '-fsanitize=thread'] }

export type Sanitizer = 'address' | 'thread'
const toolsets: Record<Sanitizer, Toolset> = { address, thread }
const linking: Record<Sanitizer, readonly string[]> = {
  address: ['-fsanitize=address,undefined'],
  thread: ['-fsanitize=thread']
}

export const sourcesIn = (directory: string): string[] =>
  readdirSync(path.join(tunnel, directory))
    .filter(file => file.endsWith('.cc'))
    .map(file => path.join(directory, file))

const without = (sources: readonly string[], ...names: string[]): string[] =>
  sources.filter(source => !names.includes(path.basename(source)))

const helpers = ['test/certificates.cc']

/** The native driver, under a clock that its tests put forward; `planted`: with the bugs that its sanitizers must find. */
export async function buildDriver(sanitizer: Sanitizer, planted = false): Promise<string> {
  const tests = without(sourcesIn('test'), 'planted.cc', 'planted-add-on.cc')
  const targets = without(sourcesIn('test/fuzz'), 'entry.cc', 'fake-clock.cc', 'planted-target.cc')
  const engine = without(sourcesIn('src/engine'), 'clock.cc')
  const sources = [...engine, ...tests, ...targets, ...(planted ? ['test/planted.cc'] : [])]
  const objects = await compile(toolsets[sanitizer], sources)
  const name = planted ? 'driver-planted' : 'driver'
  return link(toolsets[sanitizer], name, objects, [...linking[sanitizer], ...wrapped, ...libraries])
}

/** One executable with every fuzz target, under a clock of its own; `planted`: one that fails. */
export async function buildFuzzer(planted = false): Promise<string> {
  const targets = without(
    sourcesIn('test/fuzz'),
    'real-clock.cc',
    'seeds-test.cc',
    planted ? 'targets.cc' : 'planted-target.cc'
  )
  const objects = await compile(address, [...without(sourcesIn('src/engine'), 'clock.cc'), ...helpers, ...targets])
  const flags = ['-fsanitize=fuzzer,address,undefined', ...libraries]
  return link(address, planted ? 'fuzzer-planted' : 'fuzzer', objects, flags)
}

const addonApi = createRequire(path.join(tunnel, 'package.json')).resolve('node-addon-api/package.json')
const nodeHeaders = path.join(path.dirname(path.dirname(process.execPath)), 'include/node')

/** The headers of Node, among them those of its OpenSSL. */
export const addOnFlags: readonly string[] = [
  ...['-DNODE_ADDON_API_CPP_EXCEPTIONS', '-DNAPI_VERSION=10'],
  ...['-isystem', nodeHeaders, '-isystem', path.dirname(addonApi)]
]

/** As the set-up compiles it, but for the sanitizers, whose runtime has to be there before Node: hence the compiler. */
const addOn: Toolset = {
  name: 'add-on',
  compiler: 'g++',
  flags: [
    ...[...common, '-fPIC', '-fvisibility=hidden', ...addOnFlags],
    ...['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
    // gcc's own advice: with sanitizers it warns of what is not so.
    '-Wno-maybe-uninitialized'
  ]
}

export const preloaded: readonly string[] = ['libasan.so', 'libubsan.so']

export async function buildAddOn(): Promise<string> {
  const objects = await compile(addOn, [...sourcesIn('src/engine'), ...sourcesIn('src/addon')])
  return link(addOn, 'tunnel.node', objects, ['-shared', '-fsanitize=address,undefined'])
}

export async function buildPlantedAddOn(): Promise<string> {
  const objects = await compile(addOn, ['test/planted-add-on.cc'])
  return link(addOn, 'planted.node', objects, ['-shared', '-fsanitize=address,undefined'])
}
