import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { run } from '@culvert/netns'
import { afterEach, beforeEach, expect, it } from 'vitest'

const launcher = path.resolve(import.meta.dirname, '../bin/node-agent')
let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'culvert-launcher-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

it.each([
  { name: 'nothing', env: {}, args: ['--log_output_level=info'], says: 'KUBERNETES_SERVICE_HOST is not set' },
  { name: 'a wrong setting', env: { MONITORING_PORT: 'x' }, args: [], says: 'MONITORING_PORT="x" is not a number' },
  { name: 'an unknown flag', env: {}, args: ['--nonsense'], says: 'unknown flag: --nonsense' }
])('starts through links with an empty environment, and refuses $name', async ({ env, args, says }) => {
  symlinkSync(launcher, path.join(dir, 'first'))
  symlinkSync('first', path.join(dir, 'install-cni'))
  const result = await run(undefined, path.join(dir, 'install-cni'), args, { env })
  expect(result).toMatchObject({ code: 1, stdout: '' })
  expect(result.stderr).toMatch(/^node-agent: /)
  expect(result.stderr).toContain(says)
})
