// npm run check: format and lint, types, the copy of the specifications, and the examples of the READMEs.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const root = path.dirname(import.meta.dirname)
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name)
const execute = promisify(execFile)
let failed = false

// Not spawnSync: an example may talk to the API server of this process.
async function step(name: string, command: string, args: readonly string[], env = process.env): Promise<void> {
  try {
    await execute(command, args, { cwd: root, env, timeout: 120_000, maxBuffer: 64 << 20 })
    console.log(`ok: ${name}`)
  } catch (error) {
    failed = true
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
    console.log(`FAILED: ${name}\n${stdout}${stderr || message}`)
  }
}

await step('format and lint', bin('biome'), ['ci', '--diagnostic-level=error'])
await step('types', bin('tsc'), ['-p', 'tsconfig.json'])
checkSpecifications()
await runExamples()
process.exitCode = failed ? 1 : 0

/** The originals, where they are beside the checkout, rule: a difference is named, and is a warning only. */
function checkSpecifications(): void {
  const originals = path.join(root, '../shared/spec')
  if (!existsSync(originals)) return
  const names = new Set([...readdirSync(originals), ...readdirSync(path.join(root, 'docs/spec'))])
  const text = (dir: string, name: string): string | undefined =>
    existsSync(path.join(dir, name)) ? readFileSync(path.join(dir, name), 'utf8') : undefined
  const different = [...names].filter(name => text(originals, name) !== text(path.join(root, 'docs/spec'), name)).sort()
  if (different.length === 0) console.log('ok: docs/spec is identical to the originals')
  for (const name of different) console.log(`warning: docs/spec/${name} differs from its original`)
}

/**
 * Every ```ts block of a package's README runs as it stands, with KUBECONFIG leading to an API server of the lab;
 * ```ts root only for root, and what only shows a shape is marked ```ts no-run.
 */
async function runExamples(): Promise<void> {
  const { startApiServer } = await import('../packages/lab/src/api-server/index.ts')
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-check-'))
  const kubeconfig = path.join(directory, 'kubeconfig')
  writeFileSync(kubeconfig, server.adminKubeconfig())
  try {
    for (const name of readdirSync(path.join(root, 'packages')).sort()) await runExamplesOf(name, kubeconfig)
  } finally {
    await server.close()
    rmSync(directory, { recursive: true })
  }
}

async function runExamplesOf(name: string, kubeconfig: string): Promise<void> {
  const readme = path.join(root, 'packages', name, 'README.md')
  const blocks = existsSync(readme)
    ? [...readFileSync(readme, 'utf8').matchAll(/^```ts( root)?\n([\s\S]*?)^```/gm)]
    : []
  if (blocks.length === 0) {
    failed = true
    console.log(`FAILED: packages/${name} has no README.md with an example that runs`)
  }
  for (const [index, [, needsRoot, code]] of blocks.entries()) {
    const title = `packages/${name}/README.md, example ${index + 1}`
    if (needsRoot !== undefined && process.getuid?.() !== 0) {
      console.log(`not run: ${title} needs root`)
      continue
    }
    const file = path.join(root, 'packages', name, `.readme-example-${index + 1}.ts`)
    writeFileSync(file, code!)
    try {
      await step(title, process.execPath, ['--conditions=source', file], { ...process.env, KUBECONFIG: kubeconfig })
    } finally {
      rmSync(file)
    }
  }
}
