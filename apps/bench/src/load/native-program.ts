import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { BenchError } from '../errors.ts'

const packageDirectory = path.resolve(import.meta.dirname, '../..')
const flags = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror']

/** The executable of native/NAME.cc, compiled if this source has not been before. */
export function nativeProgram(name: string, libraries: readonly string[] = []): string {
  const source = path.join(packageDirectory, 'native', `${name}.cc`)
  const digest = createHash('sha256')
    .update([...flags, ...libraries].join('\0'))
    .update(readFileSync(source))
    .digest('hex')
  const program = path.join(packageDirectory, 'build', `${name}-${digest.slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(path.dirname(program), { recursive: true })
  const temporary = `${program}.${process.pid}.tmp`
  const { status, error, stderr } = spawnSync('g++', [...flags, '-o', temporary, source, ...libraries], {
    encoding: 'utf8'
  })
  if (status !== 0) throw new BenchError('BENCH_SETUP', `${source} does not compile: ${error?.message ?? stderr}`)
  renameSync(temporary, program)
  return program
}
