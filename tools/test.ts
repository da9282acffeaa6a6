// npm test: unit tests, then integration tests in real namespaces; one closing line for all of it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { readResults, type TestResult } from './test-results.ts'

const projects = ['unit', 'integration']
const root = path.dirname(import.meta.dirname)

const [first, ...rest] = process.argv.slice(2)
const chosen = first !== undefined && projects.includes(first) ? [first] : projects
const filters = first === undefined || projects.includes(first) ? rest : [first, ...rest]

mkdirSync(path.join(root, '.results'), { recursive: true })
const results: TestResult[] = []
let crashed = false
for (const project of chosen) {
  const report = path.join(root, '.results', `${project}.json`)
  rmSync(report, { force: true })
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`]
  const args = ['run', '--project', project, '--passWithNoTests', ...reporters, ...filters]
  const run = spawnSync(path.join(root, 'node_modules/.bin/vitest'), args, { cwd: root, stdio: 'inherit' })
  const found = existsSync(report) ? readResults(report) : []
  results.push(...found)
  // Unhandled errors fail the run without failing a test.
  if (run.status !== 0 && !found.some(test => test.status === 'failed')) crashed = true
}

const withStatus = (status: TestResult['status']): TestResult[] => results.filter(test => test.status === status)
const [passed, failed, skipped, notRun] = (['passed', 'failed', 'skipped', 'not-run'] as const).map(withStatus) as [
  TestResult[],
  TestResult[],
  TestResult[],
  TestResult[]
]
for (const test of failed) console.log(`failed: ${path.relative(root, test.file)}: ${test.name}`)
for (const test of skipped) console.log(`skipped: ${path.relative(root, test.file)}: ${test.name}`)
for (const test of notRun) console.log(`not run: ${path.relative(root, test.file)}: ${test.name}`)
if (crashed) console.log('the test runner itself failed; see above')
console.log(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`)
const refusedSkips = process.env.CI === 'true' && skipped.length > 0
if (refusedSkips) console.log('skips are not accepted here: this machine must be able to run every test')
process.exitCode = crashed || failed.length > 0 || refusedSkips || passed.length === 0 ? 1 : 0
