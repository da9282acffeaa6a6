import { expect, it } from 'vitest'
import { seededRandom } from '@culvert/testing'
import { soak } from './soak-run.ts'
import type { TestMesh } from './test-mesh.ts'

/** Seconds of mixed load; the program in soak.ts goes on for as long as one likes. */
const SECONDS = Number(process.env.CULVERT_SOAK_SECONDS ?? 20)

export function soakConformance(createMesh: () => TestMesh): void {
  it(
    `holds under ${SECONDS} s of bulk, requests, resets, cuts, drains and closing pods`,
    async () => {
      await using mesh = createMesh()
      const random = seededRandom('soak')
      const { problems } = await soak(mesh, { random, milliseconds: SECONDS * 1000, log: () => {} })
      expect(problems).toEqual([])
    },
    (SECONDS + 120) * 1000
  )
}
