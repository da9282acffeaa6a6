import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { authorizationTypeUrl } from '@culvert/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startControlPlane } from './control-plane.ts'
import { echo, roundTrip, notRoot, snapshotPod, titled } from './mesh.ts'
import { launcher, startNode, until } from './node.ts'
import { createPods, type TestPod } from './pods.ts'

/** Runs the launcher to its end with nothing but these variables. */
async function launch(
  path: string,
  args: string[],
  env: Record<string, string>
): Promise<{ status: number | null; output: string }> {
  const child = spawn(path, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const status = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { status, output }
}

describe('the launcher', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'culvert-launcher-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('runs from anywhere, through symbolic links, with an empty environment', async () => {
    const first = join(folder, 'first')
    const second = join(folder, 'second')
    symlinkSync(launcher, first)
    symlinkSync('first', second)
    for (const path of [launcher, first, second]) {
      const { status, output } = await launch(path, ['version'], {})
      expect(status).toBe(0)
      expect(JSON.parse(output)).toMatchObject({ istioVersion: 'unknown' })
    }
  })

  it('prints help, and ends with 1 for a command it does not know', async () => {
    expect(await launch(launcher, ['help'], {})).toMatchObject({ status: 0, output: expect.stringContaining('proxy') })
    expect(await launch(launcher, ['serve'], {})).toMatchObject({ status: 1, output: expect.stringContaining('proxy') })
  })

  it.each([
    [{ PROXY_MODE: 'dedicated' }, 'PROXY_MODE=dedicated needs PROXY_WORKLOAD_INFO'],
    [{ LOCAL_XDS: '{}', LOCAL_XDS_PATH: '/x' }, 'only one of LOCAL_XDS_PATH and LOCAL_XDS may be set'],
    [{ ENABLE_PROXY: 'yes' }, 'invalid env var ENABLE_PROXY=yes (expected true or false)']
  ])('[zds-20] does not start with %j', async (env, message) => {
    const { status, output } = await launch(launcher, ['proxy'], env as Record<string, string>)
    expect([status, output]).toEqual([1, expect.stringContaining(message)])
  })

  it.skipIf(notRoot)(titled('names what is wrong with a local configuration file'), async () => {
    const path = join(folder, 'bad.yaml')
    writeFileSync(path, 'workloads: [{}]')
    const { status, output } = await launch(launcher, ['proxy'], { LOCAL_XDS_PATH: path, XDS_ADDRESS: '' })
    expect([status, output]).toEqual([1, expect.stringMatching(/invalid env var LOCAL_XDS_PATH=\S+bad\.yaml \(.+\)/)])
  })
})

describe.skipIf(notRoot)(titled('a proxy without a control plane'), () => {
  it('takes workloads and policies from a file, and certificates from the test root that its like on another node trusts', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods())
    const [client, server] = [await pods.add('client'), await pods.add('server')]
    await server.listen(8080, echo)
    await server.listen(8081, echo)
    const workloads = [client, server].map(({ name, ip }) => ({
      uid: `lab//Pod/shop/${name}`,
      name,
      namespace: 'shop',
      serviceAccount: name,
      trustDomain: 'cluster.local',
      workloadIps: [ip],
      protocol: 'HBONE',
      node: `node-of-${name}`,
      services: {}
    }))
    const policy = `
policies:
- name: not-8081
  namespace: shop
  scope: Namespace
  action: Deny
  dryRun: false
  rules: [[[{principals: [!Exact cluster.local/ns/shop/sa/client], destinationPorts: [8081]}]]]
`
    const env = {
      XDS_ADDRESS: '',
      FAKE_CA: 'true',
      CULVERT_ALLOW_TEST_CA: 'true',
      LOCAL_XDS: `workloads: ${JSON.stringify(workloads)}${policy}`
    }
    const alone = (pod: TestPod): ReturnType<typeof startNode> =>
      startNode({ controlPlane, pods: [snapshotPod(pod)], env: { ...env, NODE_NAME: `node-of-${pod.name}` } })
    const near = stack.use(await alone(client))
    const far = stack.use(await alone(server))
    for (const node of [near, far]) {
      await node.ready()
      expect(await node.line(/\twarn\t/)).toContain(
        'FAKE_CA=true: certificates come from a test root whose key is public'
      )
    }
    expect((await roundTrip(await client.connect(server.ip, 8080), 'file')).toString()).toBe('file')
    expect(await near.line(/direction="outbound"/)).toContain(`dst.addr=${server.ip}:15008`)
    await roundTrip(await client.connect(server.ip, 8081), 'x').catch(() => undefined)
    await far.line(/explicitly denied by: shop\/not-8081/)
    expect(JSON.parse((await far.http(15000, '/config_dump')).body).staticConfig.workloads).toHaveLength(2)
  })
})

describe.skipIf(notRoot)(titled('dedicated mode'), () => {
  it('serves one workload in its own namespace, without a node agent', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    const release = controlPlane.hold(authorizationTypeUrl)
    const env = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-0/cart' }
    const node = stack.use(await startNode({ controlPlane, env }))
    await node.line(/component="readiness"/)
    // The listeners stand before the first sync.
    const readiness = async (): Promise<string> => (await node.http(15021, '/healthz/ready')).body
    await until(async () => (await readiness()) === 'not ready, pending: state manager\n')
    for (const port of [15001, 15006, 15008, 15053]) expect(await node.listens(port)).toBe(true)
    release()
    await node.ready()
    expect((await node.http(15020, '/metrics')).body).not.toContain('workload_manager')
    expect(JSON.parse((await node.http(15000, '/config_dump')).body)).not.toHaveProperty('workloadState')
  })
})
