import { closeSync, openSync } from 'node:fs'
import { createDataPath } from '../index.ts'

// Starts an engine with and without the descriptors that its threads need, in a process that may have few
// (native-descriptors.test.ts). Prints what comes of it.

const log = { warn: () => {}, debug: () => {} }
const taken: number[] = []
try {
  for (;;) taken.push(openSync('/dev/null', 'r'))
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
}
// Enough for some of the threads.
for (const fd of taken.splice(0, 5)) closeSync(fd)
try {
  createDataPath({ log, threads: 8 })
  process.stdout.write('started\n')
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`)
}
for (const fd of taken) closeSync(fd)
await createDataPath({ log, threads: 8 }).close()
process.stdout.write('then it works\n')
