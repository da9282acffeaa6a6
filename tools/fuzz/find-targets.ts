import { globSync } from 'node:fs'
import path from 'node:path'
import type { FuzzTarget } from '../../packages/testing/src/index.ts'

export const root: string = path.resolve(import.meta.dirname, '../..')

/** The targets of all `*.fuzz.ts` beside what they fuzz: the file of each name. */
export async function findTargets(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const file of globSync('{packages,apps}/*/src/**/*.fuzz.ts', { cwd: root }).sort()) {
    const absolute = path.join(root, file)
    const { targets } = (await import(absolute)) as { targets: readonly FuzzTarget[] }
    for (const { name } of targets) {
      if (files.has(name)) throw new Error(`two fuzz targets are named ${name}: ${files.get(name)} and ${absolute}`)
      files.set(name, absolute)
    }
  }
  return files
}

export async function loadTarget(name: string, file: string): Promise<FuzzTarget> {
  const { targets } = (await import(file)) as { targets: readonly FuzzTarget[] }
  return targets.find(target => target.name === name)!
}
