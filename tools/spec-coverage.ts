// npm run coverage:spec: which statements of docs/spec a test showed in the last run. Only passed tests count.
//   npm run coverage:spec [-- --all | SPEC …]
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readResults } from './test-results.ts'

const root = path.dirname(import.meta.dirname)
const args = process.argv.slice(2)
const specs = args.filter(arg => !arg.startsWith('--'))
const listMissing = args.includes('--all') || specs.length > 0

const reports = ['unit', 'integration']
  .map(project => path.join(root, '.results', `${project}.json`))
  .filter(existsSync)
if (reports.length === 0) {
  console.error('no test results yet: run npm test first')
  process.exit(1)
}

/** Statements named by the titles of passed tests: `[zds-3, 4] …`. */
const shown = new Set<string>()
for (const { name, status } of reports.flatMap(readResults)) {
  if (status !== 'passed') continue
  for (const [, spec, numbers] of name.matchAll(/\[([a-z-]+)-(\d+(?:\s*,\s*\d+)*)\]/g)) {
    for (const number of numbers!.split(',')) shown.add(`${spec}-${number.trim()}`)
  }
}

let have = 0
let total = 0
for (const file of readdirSync(path.join(root, 'docs/spec')).sort()) {
  const spec = path.basename(file, '.md')
  if (!file.endsWith('.md') || (specs.length > 0 && !specs.includes(spec))) continue
  const [, part] = readFileSync(path.join(root, 'docs/spec', file), 'utf8').split(/^## .*must show.*$/m)
  if (part === undefined) continue
  const statements = [...part.split(/^## /m)[0]!.matchAll(/^(\d+)\. (.*)$/gm)].map(([, number, text]) => ({
    tag: `${spec}-${number}`,
    text
  }))
  const missing = statements.filter(({ tag }) => !shown.has(tag))
  have += statements.length - missing.length
  total += statements.length
  console.log(`${spec}: ${statements.length - missing.length} of ${statements.length} statements shown`)
  if (listMissing) for (const { tag, text } of missing) console.log(`  [${tag}] ${text}`)
}
console.log(`all: ${have} of ${total}`)
