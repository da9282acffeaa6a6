// The add-on inside Node, under a preloaded AddressSanitizer, through a part of the conformance suite: what the driver
// cannot see is what Node-API is given and when.
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { buildAddOn, buildPlantedAddOn, preloaded } from './builds.ts'
import { buildDirectory, root, tunnel } from './compile.ts'
import { says } from './planted.ts'
import { run, tail } from '../programs.ts'

const suppressions = path.join(root, 'native/tunnel/test/add-on.leaks')

export async function checkAddOn(): Promise<boolean> {
  const env = await environment()
  const begun = performance.now()
  const workspace = layOut(await buildAddOn())
  const test = path.join(workspace, 'packages/tunnel/src/under-sanitizer.test.ts')
  const args = ['run', '--root', workspace, '--pool', 'forks', '--no-file-parallelism', test]
  const result = await run(path.join(root, 'node_modules/.bin/vitest'), args, { cwd: workspace, env })
  const sums = result.output
    .split('\n')
    .filter(line => /^\s+Tests /.test(line))
    .join()
    .trim()
  const good = result.status === 0 && sums !== ''
  const took = ((performance.now() - begun) / 1000).toFixed(0)
  console.log(
    good
      ? `ok: the add-on in Node under the address sanitizer, ${took} s, ${sums}`
      : `FAILED: the add-on in Node under the address sanitizer (${result.status}):\n${tail(result.output, 120)}`
  )
  const file = await buildPlantedAddOn()
  const load = `process.dlopen({ exports: {} }, ${JSON.stringify(file)})`
  const planted = await run(process.execPath, ['-e', load], { env })
  return says('planted: overflow in an add-on', planted.status, planted.output, /heap-buffer-overflow/) && good
}

/** The runtimes come first; of the leaks that they see, one is Node's own. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const found = await Promise.all(preloaded.map(name => run('g++', [`-print-file-name=${name}`])))
  return {
    ...process.env,
    NO_COLOR: '1',
    LD_PRELOAD: found.map(({ output }) => output.trim()).join(' '),
    ASAN_OPTIONS: 'detect_leaks=1',
    LSAN_OPTIONS: `suppressions=${suppressions}:print_suppressions=0`,
    UBSAN_OPTIONS: 'print_stacktrace=1'
  }
}

/**
 * A workspace of its own, so that production code has no way to another add-on: copies of @culvert/tunnel and of
 * @culvert/native-tunnel, the latter with this build, between links to everything else.
 */
function layOut(addOn: string): string {
  const workspace = path.join(buildDirectory, 'add-on/workspace')
  rmSync(workspace, { recursive: true, force: true })
  const native = path.join(workspace, 'native/tunnel')
  mkdirSync(path.join(native, 'build'), { recursive: true })
  for (const name of ['package.json', 'index.js', 'index.d.ts'])
    cpSync(path.join(tunnel, name), path.join(native, name))
  symlinkSync(addOn, path.join(native, `build/tunnel-linux-${process.arch}.node`))

  const original = path.join(root, 'packages/tunnel')
  const copy = path.join(workspace, 'packages/tunnel')
  for (const name of ['package.json', 'src'])
    cpSync(path.join(original, name), path.join(copy, name), { recursive: true })
  const neighbours = path.join(copy, 'node_modules/@culvert')
  mkdirSync(neighbours, { recursive: true })
  for (const name of readdirSync(path.join(original, 'node_modules/@culvert'))) {
    const to = name === 'native-tunnel' ? native : path.join(original, 'node_modules/@culvert', name)
    symlinkSync(to, path.join(neighbours, name))
  }
  writeFileSync(
    path.join(copy, 'src/under-sanitizer.test.ts'),
    `import { createDataPath } from './index.ts'
import { dataPathConformance } from './testing/index.ts'

const log = { warn: () => {}, debug: () => {} }
dataPathConformance('the tunnel engine', { client: () => createDataPath({ log }) })
`
  )
  writeFileSync(
    path.join(workspace, 'vitest.config.ts'),
    // Again where time decides: the suite's own verdicts are npm test's, and a report of the sanitizer ends the process.
    `const conditions = ['source']
const test = { testTimeout: 60_000, retry: 2 }
export default { ssr: { resolve: { conditions } }, resolve: { conditions }, test }
`
  )
  return workspace
}
