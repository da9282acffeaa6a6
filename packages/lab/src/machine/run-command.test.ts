import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { processStartTime, signalProcess } from './process-facts.ts'
import { runCommand } from './run-command.ts'

let directory: string

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'run-command-'))
})

afterEach(() => fs.rmSync(directory, { recursive: true }))

/** Runs a script that writes a pid to the file $0, and gives up once it is there. */
async function givenUp(script: string): Promise<number> {
  const file = path.join(directory, 'pid')
  const giveUp = new AbortController()
  const running = runCommand(['sh', '-c', script, file], { signal: giveUp.signal })
  await expect.poll(() => fs.existsSync(file) && fs.readFileSync(file, 'utf8').endsWith('\n')).toBe(true)
  giveUp.abort()
  await expect(running).rejects.toMatchObject({ code: 'LAB_CLOSED' })
  return Number(fs.readFileSync(file, 'utf8'))
}

it('takes what a program started along when it is given up', async () => {
  const pid = await givenUp('sleep 600 & echo $! >"$0"; wait')
  await expect.poll(() => processStartTime(pid)).toBeUndefined()
})

it('does not wait for a program that left the group with the pipes', async () => {
  const pid = await givenUp(`setsid sh -c 'echo $$ >"$0"; exec sleep 600' "$0" & wait`)
  signalProcess(pid, 'SIGKILL')
})

it('gives a program up when its time is over', async () => {
  const running = runCommand(['sh', '-c', 'sleep 600; true'], { timeout: 50 })
  await expect(running).rejects.toMatchObject({ code: 'LAB_TIMEOUT' })
})
