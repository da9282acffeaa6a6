import { createDataPath } from '../index.ts'
import { seededRandom } from '@culvert/testing'
import { descriptors, soak } from './soak-run.ts'
import { createTestIdentities, TestMesh } from './test-mesh.ts'

// Mixed load for as long as one likes:
//     node tools/run.mjs exec node --conditions=source packages/tunnel/src/testing/soak.ts [SECONDS] [CONCURRENCY]
// with CULVERT_SEED to choose the same course again, as far as timing lets it be the same.

const [seconds = '20', concurrency = '24'] = process.argv.slice(2)
const log = { warn: (line: string) => process.stderr.write(`${line}\n`), debug: () => {} }
const before = descriptors()
const mesh = new TestMesh(await createTestIdentities(), createDataPath({ log }), createDataPath({ log, threads: 2 }))
const { problems } = await soak(mesh, {
  random: seededRandom('soak'),
  milliseconds: Number(seconds) * 1000,
  concurrency: Number(concurrency),
  log: line => process.stdout.write(`${line}\n`)
})
await mesh[Symbol.asyncDispose]()
const left = descriptors() - before
// The engine's own are gone with it; Node opens a few for good.
const all = left > 10 ? [...problems, `${left} descriptors are left`] : problems
for (const problem of all) process.stderr.write(`${problem}\n`)
process.exitCode = all.length === 0 ? 0 : 1
