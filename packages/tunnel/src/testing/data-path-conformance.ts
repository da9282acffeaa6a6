import { beforeAll, describe } from 'vitest'
import type { DataPath } from '../data-path.ts'
import { answersConformance } from './conformance-answers.ts'
import { bulkConformance } from './conformance-bulk.ts'
import { bytesConformance } from './conformance-bytes.ts'
import { lifecycleConformance } from './conformance-lifecycle.ts'
import { namespacesConformance } from './conformance-namespaces.ts'
import { tunnelsConformance } from './conformance-tunnels.ts'
import { createTestIdentities, TestMesh, type TestIdentities } from './test-mesh.ts'

/** What every data path must do, over real sockets and real TLS on the loopback address. Needs Linux, not root. */
export function dataPathConformance(name: string, createDataPath: () => DataPath): void {
  describe(name, () => {
    const createMesh = meshFactory(createDataPath)
    describe('bytes', () => bytesConformance(createMesh))
    describe('answers', () => answersConformance(createMesh))
    describe('tunnels', () => tunnelsConformance(createMesh))
    describe('lifecycle', () => lifecycleConformance(createMesh))
  })
}

const notRoot = process.getuid?.() === 0 ? '' : ' (skipped: network namespaces need root)'

/** The rest: what needs network namespaces, root and iptables, or takes seconds. For an integration test file. */
export function dataPathIntegration(name: string, createDataPath: () => DataPath): void {
  describe(name, () => {
    const createMesh = meshFactory(createDataPath)
    describe('bulk', () => bulkConformance(createMesh))
    describe.skipIf(notRoot)(`namespaces${notRoot}`, () => namespacesConformance(createMesh))
  })
}

function meshFactory(createDataPath: () => DataPath): () => TestMesh {
  let identities: TestIdentities
  beforeAll(async () => {
    identities = await createTestIdentities()
  })
  return () => new TestMesh(createDataPath(), identities)
}
