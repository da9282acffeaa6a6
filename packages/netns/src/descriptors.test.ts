import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { reserveDescriptors } from './descriptors.ts'

const tableSize = (): number => Number(/^FDSize:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])

it('has room for the descriptors that were reserved, as far as the process may have them', () => {
  const wanted = tableSize() * 2
  reserveDescriptors(wanted)
  expect(tableSize()).toBeGreaterThanOrEqual(Math.min(wanted, limit / 2))
  const before = tableSize()
  reserveDescriptors(1)
  expect(tableSize()).toBe(before)
})

// In a process of its own: a container's limit may be a billion, of which the kernel would make a gigabyte.
it('takes what there is where the limit is lower', () => {
  const program = `
    import { readFileSync } from 'node:fs'
    import { reserveDescriptors } from ${JSON.stringify(new URL('descriptors.ts', import.meta.url).href)}
    reserveDescriptors(2 ** 31 - 1)
    console.log(/^FDSize:\\s+(\\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])`
  const limited = 'ulimit -n 1500; exec "$0" --conditions=source --input-type=module -e "$1"'
  const size = execFileSync('sh', ['-c', limited, process.execPath, program], { encoding: 'utf8' })
  expect(Number(size)).toBeGreaterThanOrEqual(1_024)
})
