import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What a proxy's executable says of itself; empty where it says nothing. */
export interface Build {
  readonly version: string
  readonly profile: string
  readonly tlsLibrary: string
}

const execute = promisify(execFile)

export async function buildOf(command: readonly string[]): Promise<Build> {
  const [program, ...args] = command as [string, ...string[]]
  const { stdout } = await execute(program, [...args, 'version'], { timeout: 30_000 })
  return parseVersion(stdout)
}

/** Upstream's `version` prints a Go-like structure, ours JSON; the fields are the same. */
export function parseVersion(text: string): Build {
  const field = (name: string): string => new RegExp(`"?\\b${name}"?:"([^"]*)"`, 'i').exec(text)?.[1] ?? ''
  const revision = field('gitRevision')
  const known = revision !== '' && revision !== 'unknown' && revision !== field('version')
  return {
    version: [field('version'), ...(known ? [revision] : [])].join(' '),
    profile: field('buildProfile'),
    tlsLibrary: field('cryptoProvider')
  }
}
