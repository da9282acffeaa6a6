// Reads what a vitest run left, and tells the kinds of tests apart.
import { readFileSync } from 'node:fs'

export interface TestResult {
  readonly name: string
  readonly file: string
  /** 'not-run': needs a program that only the user can give; it counts for nothing. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'not-run'
  readonly messages: readonly string[]
}

interface VitestReport {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[] | null
    }[]
  }[]
}

/** A test that needs the user's program says so in its title: `… (needs CULVERT_PEER_ZTUNNEL)`. */
const needsProgram = /\(needs CULVERT_[A-Z_]+\)/

export function readResults(report: string): TestResult[] {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as VitestReport
  return testResults.flatMap(file => {
    const tests = file.assertionResults.map(test => ({
      name: test.fullName,
      file: file.name,
      status: status(test.status, test.fullName),
      messages: test.failureMessages ?? []
    }))
    // A file that could not be loaded has no tests of its own, and must not pass for that.
    const broken = file.status === 'failed' && tests.every(test => test.status !== 'failed')
    return broken
      ? [...tests, { name: '(the file itself)', file: file.name, status: 'failed', messages: [file.message ?? ''] }]
      : tests
  })
}

function status(vitest: string, name: string): TestResult['status'] {
  if (vitest === 'passed' || vitest === 'failed') return vitest
  return needsProgram.test(name) ? 'not-run' : 'skipped'
}
