import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { titled } from '@culvert/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, labUnsupported } from '../src/index.ts'
import { podManifest, ready } from './manifests.ts'

/** The user's, or the one on the PATH. */
const program = process.env.CULVERT_KUBECTL ?? 'kubectl'
const noKubectl = spawnSync(program, ['version', '--client']).error === undefined ? undefined : 'needs CULVERT_KUBECTL'
const unsupported = labUnsupported() ?? noKubectl

describe.skipIf(unsupported)(titled('kubectl with a lab cluster', unsupported), () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await createCluster({ nodes: 1 })
    expect(await kubectl(['apply', '-f', '-'], podManifest({ name: 'web', container: ready }))).toMatchObject({
      code: 0
    })
    expect(await kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s'])).toMatchObject({ code: 0 })
  })
  afterAll(() => cluster?.close())

  const start = (args: readonly string[]) => {
    // Its cache of the API's kinds belongs to this cluster.
    const env = { PATH: process.env.PATH, HOME: cluster.directory }
    return spawn(program, ['--kubeconfig', cluster.kubeconfig.path, ...args], { env })
  }
  const kubectl = async (args: readonly string[], input = '') => {
    const child = start(args)
    child.stdin.end(input)
    const closed = new Promise<number | null>(resolve => child.on('close', resolve))
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed])
    return { code, stdout, stderr }
  }

  it('reads logs', async () => {
    expect((await kubectl(['logs', 'web', '--tail=100'])).stdout).toContain('listening on 8080\n')
  })

  it('runs programs in containers, with input, output and status', async () => {
    const script = 'read line; echo "$line by $(hostname)"; echo oops >&2; exit 3'
    const { code, stdout, stderr } = await kubectl(['exec', '-i', 'web', '--', 'sh', '-c', script], 'made\n')
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'made by web\n' })
    expect(stderr).toMatch(/^oops\n/)
  })

  it('forwards ports', async () => {
    const child = start(['port-forward', 'pod/web', ':8080'])
    try {
      const line = await new Promise<string>((resolve, reject) => {
        child.stdout.once('data', chunk => resolve(String(chunk)))
        child.once('close', code => reject(new Error(`kubectl port-forward ended with ${code}`)))
      })
      const [, port] = /127\.0\.0\.1:(\d+)/.exec(line)!
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('web\n')
    } finally {
      child.kill()
    }
  })

  it('shows pods, and deletes them', async () => {
    expect((await kubectl(['get', 'pods', '-o', 'wide'])).stdout).toMatch(
      /^web +1\/1 +Running +0 .* 10\.244\.1\.2 +node-1 /m
    )
    expect((await kubectl(['describe', 'pod', 'web'])).stdout).toContain('Started container main')
    expect(await kubectl(['delete', 'pod', 'web'])).toMatchObject({ code: 0 })
    expect((await kubectl(['get', 'pods'])).stderr).toContain('No resources found')
    expect(fs.existsSync(cluster.nodes[0]!.path(path.join('/run/cni/networks/lab/10.244.1.2')))).toBe(false)
  })
})
