import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { titled } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { findCgroupRoot } from '../src/cluster/cgroups.ts'
import { createCluster, labUnsupported, type Progress } from '../src/index.ts'
import { podManifest } from './manifests.ts'

const unsupported = labUnsupported()

/** Mounts, network interfaces and routes of the machine. */
const machine = () => ({
  mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8'),
  links: fs.readdirSync('/sys/class/net'),
  routes: fs.readFileSync('/proc/net/route', 'utf8')
})

/** Of this process's clusters: other tests run beside this one. */
const ownDirectories = (): string[] =>
  fs.readdirSync(os.tmpdir()).filter(name => {
    const owner = path.join(os.tmpdir(), name, 'owner.json')
    return (
      name.startsWith('culvert-lab-') &&
      fs.existsSync(owner) &&
      fs.readFileSync(owner, 'utf8').includes(`"pid":${process.pid},`)
    )
  })

const cgroupOf = (id: string): string => {
  const root = findCgroupRoot()
  return path.join('directory' in root ? root.directory : '', `culvert-lab-${id}`)
}

describe.skipIf(unsupported)(titled('a lab cluster', unsupported), () => {
  it('changes nothing on the machine, and leaves nothing when it is closed', async () => {
    const before = machine()
    const progress: Progress[] = []
    const cluster = await createCluster({ nodes: 2, onProgress: step => progress.push(step) })
    expect(machine()).toEqual(before)
    const steps = progress.map(({ step }) => step).filter(step => step !== 'sweep' && step !== 'warning')
    expect(steps).toEqual(['fabric', 'node', 'node', 'api-server', 'cluster-ready'])
    await cluster.apply(podManifest({ name: 'a' }))
    await cluster.pods.ready({ name: 'a' })
    const pids = [...cluster.nodes.map(({ pid }) => pid), cluster.pods.pid({ name: 'a' })]
    const capture = await cluster.capture()
    await cluster.close()
    await cluster.close()
    await capture.stop()
    expect(machine()).toEqual(before)
    expect(pids.filter(pid => fs.existsSync(`/proc/${pid}`))).toEqual([])
    expect([cluster.directory, cgroupOf(cluster.id)].filter(file => fs.existsSync(file))).toEqual([])
    await expect(fetch(`${cluster.url}/healthz`)).rejects.toThrow()
  })

  it('lives beside another with the same addresses', async () => {
    await using one = await createCluster({ nodes: 1 })
    await using two = await createCluster({ nodes: 1 })
    for (const [answer, cluster] of [
      ['one', one],
      ['two', two]
    ] as const) {
      const env = [{ name: 'ANSWER', value: answer }]
      await cluster.apply(podManifest({ name: 'same', container: { env } }))
    }
    const ips = await Promise.all(
      [one, two].map(async cluster => (await cluster.pods.ready({ name: 'same' }))[0]!.status!.podIP)
    )
    expect(ips[0]).toBe(ips[1])
    for (const [answer, cluster] of [
      ['one', one],
      ['two', two]
    ] as const) {
      const { stdout } = await cluster.nodes[0]!.exec([
        'curl',
        '-sS',
        '-m',
        '5',
        '--retry-connrefused',
        '--retry',
        '5',
        `http://${ips[0]}:8080/`
      ])
      expect(stdout).toBe(`${answer}\n`)
    }
    await one.close()
    expect((await two.pods.exec({ name: 'same' }, ['true'])).code).toBe(0)
  })

  it('dies with its process, and the next one sweeps up', async () => {
    const program = path.join(import.meta.dirname, 'keep-cluster.ts')
    const child = spawn(process.execPath, ['--conditions=source', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', chunk => resolve(String(chunk)))
      child.once('close', code => reject(new Error(`keep-cluster.ts ended with ${code}`)))
    })
    const { id, directory, pids } = JSON.parse(line) as { id: string; directory: string; pids: number[] }
    expect(pids.every(pid => fs.existsSync(`/proc/${pid}`))).toBe(true)
    const gone = new Promise(resolve => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
    await expect.poll(() => pids.filter(pid => fs.existsSync(`/proc/${pid}`))).toEqual([])
    const progress: Progress[] = []
    await using _next = await createCluster({ nodes: 1, onProgress: step => progress.push(step) })
    // Another test's cluster may have swept it already.
    expect([directory, cgroupOf(id)].filter(file => fs.existsSync(file))).toEqual([])
  })

  it.each(['fabric', 'node', 'api-server'] as const)('is undone when its start is given up at %s', async moment => {
    const before = { machine: machine(), directories: ownDirectories() }
    const giveUp = new AbortController()
    const starting = createCluster({
      nodes: 2,
      signal: giveUp.signal,
      onProgress: ({ step }) => {
        if (step === moment) giveUp.abort(new Error('changed my mind'))
      }
    })
    await expect(starting).rejects.toMatchObject({ code: 'LAB_CLOSED', cause: { message: 'changed my mind' } })
    expect({ machine: machine(), directories: ownDirectories() }).toEqual(before)
  })

  it('keeps its files when asked', async () => {
    const cluster = await createCluster({ nodes: 1, keep: true })
    try {
      await cluster.apply(podManifest({ name: 'logged' }))
      await cluster.pods.ready({ name: 'logged' })
      await expect.poll(() => cluster.pods.logs({ name: 'logged' })).toContain('listening')
      await cluster.close()
      const log = fs
        .readdirSync(path.join(cluster.directory, 'logs'), { recursive: true })
        .find(name => String(name).endsWith('0.log'))
      expect(fs.readFileSync(path.join(cluster.directory, 'logs', String(log)), 'utf8')).toContain('listening on 8080')
    } finally {
      await cluster.close()
      fs.rmSync(cluster.directory, { recursive: true, force: true })
    }
  })

  it.each([
    [{ nodes: 0 }, 'nodes is 0; it must be a whole number from 1 to 100'],
    [{ images: { broken: { command: [] } } }, "image 'broken' has no command"]
  ])('refuses %j', async (options, message) => {
    await expect(createCluster(options)).rejects.toThrow(message)
  })
})
