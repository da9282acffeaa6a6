import { createDataPath } from '../index.ts'
import type { Outcome } from '../data-path.ts'
import { createTestIdentities, direct, TestMesh } from './test-mesh.ts'

// A pod in a process of its own, which may run out of descriptors (native-descriptors.test.ts limits them).
// Prints its port, then a line for every outcome; answers lines on its standard input with what it has used.

const log = { warn: (line: string) => process.stdout.write(`warn ${line}\n`), debug: () => {} }
const mesh = new TestMesh(await createTestIdentities(), createDataPath({ log }))
const to = { ip: '127.0.0.1', port: Number(process.argv[2]) }
const pod = await mesh.pod({ connection: () => direct(to) })
const closed = pod.closed.bind(pod)
pod.closed = (outcome: Outcome) => {
  closed(outcome)
  process.stdout.write(`outcome ${outcome.failure?.detail ?? 'fine'}\n`)
}
process.stdout.write(`port ${pod.address('outbound').port}\n`)
process.stdin.on('data', () => {
  const { user, system } = process.cpuUsage()
  process.stdout.write(`used ${user + system}\n`)
})
process.stdin.on('end', () => process.exit())
