import { beforeAll, describe } from 'vitest'
import type { DataPath } from '../data-path.ts'
import { answersConformance } from './conformance-answers.ts'
import { bytesConformance } from './conformance-bytes.ts'
import { lifecycleConformance } from './conformance-lifecycle.ts'
import { tunnelsConformance } from './conformance-tunnels.ts'
import { createTestIdentities, TestMesh, type TestIdentities } from './test-mesh.ts'

/** What every data path must do, over real sockets and real TLS on the loopback address. Needs Linux, not root. */
export function dataPathConformance(name: string, createDataPath: () => DataPath): void {
  describe(name, () => {
    let identities: TestIdentities
    beforeAll(async () => {
      identities = await createTestIdentities()
    })
    const createMesh = (): TestMesh => new TestMesh(createDataPath(), identities)

    describe('bytes', () => bytesConformance(createMesh))
    describe('answers', () => answersConformance(createMesh))
    describe('tunnels', () => tunnelsConformance(createMesh))
    describe('lifecycle', () => lifecycleConformance(createMesh))
  })
}
