import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { readAll, type TestMesh } from './test-mesh.ts'
import { descriptors } from './soak-run.ts'

const CONNECTIONS = 10_000
const AT_ONCE = 50
const MOST_ROUNDS = 5
/** Bytes: some 400 for each connection. */
const BOUND = 4 * 1_048_576

/** Connections that come and go leave nothing behind. */
export function leaksConformance(createMesh: () => TestMesh): void {
  it(`has the memory and the descriptors of before after ${CONNECTIONS} connections`, async () => {
    await using mesh = createMesh()
    const application = await mesh.application(socket => socket.pipe(socket))
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const run = async (count: number): Promise<void> => {
      let left = count
      const worker = async (): Promise<void> => {
        while (left-- > 0) {
          const socket = await mesh.connect(client.address('outbound'))
          socket.end('some bytes')
          expect((await readAll(socket)).toString()).toBe('some bytes')
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, worker))
      for (const pod of [client, server]) {
        await pod.outcome(count - 1)
        for (const list of [pod.captured, pod.streams, pod.opens, pod.outcomes]) list.length = 0
      }
    }
    await run(2_000)
    const open = descriptors()
    // V8's heap and the allocator reach their size over some rounds; what leaks grows in every one.
    let [before, growth] = [settledMemory(), Number.POSITIVE_INFINITY]
    for (let round = 1; round <= MOST_ROUNDS && growth > BOUND; round++) {
      await run(CONNECTIONS)
      const after = settledMemory()
      growth = after - before
      before = after
    }
    expect(growth).toBeLessThanOrEqual(BOUND)
    expect(descriptors() - open).toBeLessThanOrEqual(0)
  }, 300_000)
}

function settledMemory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let count = 0; count < 3; count++) collect()
  return process.memoryUsage.rss()
}
