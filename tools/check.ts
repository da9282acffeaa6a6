// npm run check: format and lint, types, the copy of the specifications, and the examples of the READMEs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const bin = (name: string): string => path.join(root, 'node_modules/.bin', name)
let failed = false

function step(name: string, command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', timeout: 120_000 })
  const ok = result.status === 0
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`)
  if (ok) return
  failed = true
  console.log(result.stdout, result.stderr, result.error ?? '')
}

step('format and lint', bin('biome'), ['ci', '--diagnostic-level=error'])
step('types', bin('tsc'), ['-p', 'tsconfig.json'])
checkSpecifications()
runExamples()
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

/** Every ```ts block of a package's README runs as it stands; one that only shows a shape is marked ```ts no-run. */
function runExamples(): void {
  for (const name of readdirSync(path.join(root, 'packages')).sort()) {
    const readme = path.join(root, 'packages', name, 'README.md')
    if (!existsSync(readme)) {
      failed = true
      console.log(`FAILED: packages/${name} has no README.md`)
      continue
    }
    for (const [index, [, code]] of [...readFileSync(readme, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].entries()) {
      const file = path.join(root, 'packages', name, `.readme-example-${index + 1}.ts`)
      writeFileSync(file, code!)
      step(`packages/${name}/README.md, example ${index + 1}`, process.execPath, ['--conditions=source', file])
      rmSync(file)
    }
  }
}
