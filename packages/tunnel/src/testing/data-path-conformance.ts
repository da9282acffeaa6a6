import { notRoot, titled } from '@culvert/testing'
import { beforeAll, describe } from 'vitest'
import type { DataPath } from '../data-path.ts'
import { answersConformance } from './conformance-answers.ts'
import { bulkConformance } from './conformance-bulk.ts'
import { bytesConformance } from './conformance-bytes.ts'
import { faultsConformance, lateAnswersConformance } from './conformance-faults.ts'
import { leaksConformance } from './conformance-leaks.ts'
import { lifecycleConformance } from './conformance-lifecycle.ts'
import { namespacesConformance } from './conformance-namespaces.ts'
import { tunnelsConformance } from './conformance-tunnels.ts'
import { soakConformance } from './conformance-soak.ts'
import { createTestIdentities, TestMesh, type TestIdentities } from './test-mesh.ts'

/** What opens the suite's pods, and what opens those that end tunnels, when that is another implementation. */
export interface DataPathFactories {
  readonly client: () => DataPath
  readonly server?: () => DataPath
}

/** What every data path must do, over real sockets and real TLS on the loopback address. Needs Linux, not root. */
export function dataPathConformance(name: string, paths: DataPathFactories): void {
  describe(name, () => {
    const createMesh = meshFactory(paths)
    describe('bytes', () => bytesConformance(createMesh))
    describe('answers', () => answersConformance(createMesh))
    describe('tunnels', () => tunnelsConformance(createMesh))
    describe('lifecycle', () => lifecycleConformance(createMesh))
  })
}

/** The rest: what needs network namespaces, root and iptables, or takes seconds. For an integration test file. */
export function dataPathIntegration(name: string, paths: DataPathFactories): void {
  describe(name, () => {
    const createMesh = meshFactory(paths)
    describe('bulk', () => bulkConformance(createMesh))
    describe('faults', () => faultsConformance(createMesh))
    describe.skipIf(notRoot)(titled('namespaces'), () => namespacesConformance(createMesh))
  })
}

/** What only an engine that keeps to itself can promise: nothing is left of many connections. Takes half a minute. */
export function dataPathEndurance(name: string, paths: DataPathFactories): void {
  describe(name, () => {
    const createMesh = meshFactory(paths)
    describe('late answers', () => lateAnswersConformance(createMesh))
    describe('leaks', () => leaksConformance(createMesh))
    describe('mixed load', () => soakConformance(createMesh))
  })
}

function meshFactory({ client, server }: DataPathFactories): () => TestMesh {
  let identities: TestIdentities
  beforeAll(async () => {
    identities = await createTestIdentities()
  })
  return () => new TestMesh(identities, client(), server?.())
}
