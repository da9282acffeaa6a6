import os from 'node:os'
import path from 'node:path'
import { root, tunnel } from './compile.ts'
import { addOnFlags, sourcesIn } from './builds.ts'
import { inParallel, run } from '../programs.ts'

/** clang-tidy with native/tunnel/.clang-tidy, over what ships. */
export async function tidy(): Promise<boolean> {
  const begun = performance.now()
  let good = true
  const sources = ['src/engine', 'src/addon'].flatMap(sourcesIn)
  await inParallel(sources, os.availableParallelism(), async source => {
    const flags = [
      '--quiet',
      path.join(tunnel, source),
      '--',
      '-std=c++20',
      ...(source.startsWith('src/addon') ? addOnFlags : [])
    ]
    const { status, output } = await run('clang-tidy', flags, { cwd: root })
    if (status === 0) return
    good = false
    console.log(`FAILED: clang-tidy ${source} (${status}):\n${output}`)
  })
  const took = ((performance.now() - begun) / 1000).toFixed(0)
  if (good) console.log(`ok: clang-tidy over ${sources.length} files, ${took} s`)
  return good
}
