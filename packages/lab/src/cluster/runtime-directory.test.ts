import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createRuntimeDirectory, sweepDeadClusters } from './runtime-directory.ts'

// A plain directory stands in for the cgroup hierarchy: made and removed the same way.
let parent: string
let cgroups: string
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'runtime-'))
  cgroups = path.join(parent, 'cgroups')
  fs.mkdirSync(cgroups)
})
afterEach(() => fs.rmSync(parent, { recursive: true, force: true }))

const left = (): string[] => fs.readdirSync(parent).filter(name => name.includes('culvert-lab-'))

/** The directory now belongs to another process. */
function giveTo(directory: string, owner: object): void {
  const file = path.join(directory, 'owner.json')
  fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), ...owner }))
}

it('removes directory and cgroup when it is closed', async () => {
  const directory = createRuntimeDirectory(cgroups, parent)
  expect(fs.existsSync(directory.cgroup)).toBe(true)
  await directory.close({ keep: false })
  expect([left(), fs.readdirSync(cgroups)]).toEqual([[], []])
})

it('sweeps what a dead process left, once', async () => {
  const dead = createRuntimeDirectory(cgroups, parent)
  const child = spawn('true')
  await new Promise(resolve => child.on('close', resolve))
  giveTo(dead.path, { pid: child.pid })
  expect(await sweepDeadClusters(parent)).toEqual([dead.id])
  expect([left(), fs.readdirSync(cgroups)]).toEqual([[], []])
  expect(await sweepDeadClusters(parent)).toEqual([])
})

it('takes another process with the same number for a dead one', async () => {
  const directory = createRuntimeDirectory(cgroups, parent)
  giveTo(directory.path, { startTime: '1' })
  expect(await sweepDeadClusters(parent)).toEqual([directory.id])
})

it('takes anything from before the last boot for dead', async () => {
  const directory = createRuntimeDirectory(cgroups, parent)
  giveTo(directory.path, { boot: 'another' })
  expect(await sweepDeadClusters(parent)).toEqual([directory.id])
})

it('leaves living clusters, kept directories and what it does not understand', async () => {
  const living = createRuntimeDirectory(cgroups, parent)
  const kept = createRuntimeDirectory(cgroups, parent)
  await kept.close({ keep: true })
  const strange = createRuntimeDirectory(cgroups, parent)
  giveTo(strange.path, { boot: 'another', cgroup: '/etc' })
  expect(await sweepDeadClusters(parent)).toEqual([])
  expect(left().sort()).toEqual([living, kept, strange].map(({ path: file }) => path.basename(file)).sort())
})

it('follows no link that somebody else may have put there', async () => {
  const elsewhere = path.join(parent, 'elsewhere')
  fs.mkdirSync(elsewhere)
  const dead = createRuntimeDirectory(cgroups, elsewhere)
  giveTo(dead.path, { boot: 'another' })
  fs.symlinkSync(dead.path, path.join(parent, path.basename(dead.path)))
  expect(await sweepDeadClusters(parent)).toEqual([])
  expect(fs.existsSync(dead.path)).toBe(true)
})
