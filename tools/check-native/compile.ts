// Compiles C++ sources in parallel and again only what changed: an object remembers its command and what it was made of.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { inParallel, run } from '../programs.ts'

export const root: string = path.dirname(path.dirname(import.meta.dirname))
export const tunnel: string = path.join(root, 'native/tunnel')
export const buildDirectory: string = path.join(tunnel, 'build/check')

export interface Toolset {
  /** Where its objects are, under `buildDirectory`. */
  readonly name: string
  readonly compiler: string
  readonly flags: readonly string[]
}

export class BuildError extends Error {}

/** The objects of these sources (paths below native/tunnel), in their order. */
export async function compile(tools: Toolset, sources: readonly string[]): Promise<string[]> {
  const jobs = sources.map(source => {
    const object = path.join(buildDirectory, tools.name, `${source}.o`)
    const args = [...tools.flags, '-c', '-MMD', '-MF', `${object}.d`, path.join(tunnel, source)]
    return { source, object, args }
  })
  const stale = jobs.filter(({ object, args }) => !isFresh(object, [tools.compiler, ...args]))
  const failures: string[] = []
  await inParallel(stale, os.availableParallelism(), async ({ source, object, args }) => {
    mkdirSync(path.dirname(object), { recursive: true })
    const begun = Date.now()
    const { status, output } = await run(tools.compiler, [...args, '-o', `${object}.tmp`])
    if (status !== 0) {
      failures.push(`${source} does not compile with ${tools.name} (${status}):\n${output}`)
      return
    }
    renameSync(`${object}.tmp`, object)
    // What was changed meanwhile may be in it or not.
    const unchanged = dependencies(object).every(file => statSync(file).mtimeMs < begun)
    writeFileSync(`${object}.stamp`, unchanged ? stamp(object, [tools.compiler, ...args]) : 'stale')
  })
  if (failures.length > 0) throw new BuildError(failures.join('\n'))
  return jobs.map(({ object }) => object)
}

/** An executable or a shared object; linking is quick, so always. */
export async function link(
  tools: Toolset,
  name: string,
  objects: readonly string[],
  flags: readonly string[]
): Promise<string> {
  const file = path.join(buildDirectory, tools.name, name)
  const { status, output } = await run(tools.compiler, [...objects, ...flags, '-o', file])
  if (status !== 0) throw new BuildError(`${name} does not link with ${tools.name} (${status}):\n${output}`)
  return file
}

function isFresh(object: string, command: readonly string[]): boolean {
  const file = `${object}.stamp`
  return existsSync(object) && existsSync(file) && readFileSync(file, 'utf8') === stamp(object, command)
}

/** Of the command and of everything that the last compilation read; headers of the system are taken to stay. */
function stamp(object: string, command: readonly string[]): string {
  const digest = createHash('sha256').update(command.join('\0'))
  for (const file of dependencies(object)) {
    if (!existsSync(file)) return ''
    digest.update(file).update(readFileSync(file))
  }
  return digest.digest('hex')
}

function dependencies(object: string): string[] {
  const file = `${object}.d`
  if (!existsSync(file)) return []
  // Paths may be relative to where the compiler ran: ccache makes them so.
  const [, after = ''] = readFileSync(file, 'utf8').split(':', 2)
  return after
    .split(/[\s\\]+/)
    .filter(part => part !== '')
    .map(part => path.resolve(part))
}
