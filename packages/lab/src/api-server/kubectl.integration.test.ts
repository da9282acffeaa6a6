import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { createKubernetesClient, kubeConfigFromText, nodes, pods } from '@culvert/kubernetes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startControllers } from '../controllers/index.ts'
import { eventually } from '../controllers/testing/test-cluster.ts'
import { type ApiServer, startApiServer } from './index.ts'

// Tests may look at the environment; programs read it in main only.
const kubectl = process.env.CULVERT_KUBECTL ?? findInPath('kubectl')

function findInPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map(dir => join(dir, name))
    .find(existsSync)
}

describe.skipIf(kubectl === undefined)('kubectl, from the PATH or as given (needs CULVERT_KUBECTL)', () => {
  let directory: string
  let server: ApiServer
  let env: NodeJS.ProcessEnv
  let echo: Server
  const stopping = new AbortController()
  const errors: unknown[] = []

  async function run(...args: string[]): Promise<string> {
    const { stdout, stderr } = await promisify(execFile)(kubectl!, args, { env, timeout: 30_000 })
    return stdout + stderr
  }

  /** `kubectl get` until it prints this; older ones cannot wait for it. */
  const until = (wanted: string, ...args: string[]) =>
    eventually(
      () => run('get', ...args),
      text => text === wanted
    )

  async function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
    const file = join(directory, 'manifest.yaml')
    await writeFile(file, text)
    return use(file)
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'culvert-kubectl-'))
    server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }], onError: error => errors.push(error) })
    await writeFile(join(directory, 'config'), server.adminKubeconfig())
    env = { PATH: process.env.PATH, HOME: directory, KUBECONFIG: join(directory, 'config') }
    const client = createKubernetesClient(await kubeConfigFromText(server.adminKubeconfig()))
    await startControllers({ client, signal: stopping.signal, onError: error => errors.push(error) })
    const conditions = [{ type: 'Ready', status: 'True' }]
    await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'one' }, status: { conditions } })
    echo = createServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
    await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
    const { port } = echo.address() as { port: number }
    server.setKubelet('one', {
      log: (_, { container }) => Readable.from([`hello from ${container}\n`]),
      async portForward(_, wanted) {
        if (wanted !== 8080) throw new Error(`nothing listens on ${wanted}`)
        return connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      },
      async exec(_, { command }) {
        return {
          stdin: undefined,
          stdout: Readable.from([Buffer.from(`${command.join(' ')}\n`)]),
          stderr: undefined,
          exit: Promise.resolve(3)
        }
      }
    })
    await run('create', 'serviceaccount', 'cart')
    await run('run', 'server', '--image=echo', '--port=8080', '--overrides={"spec":{"serviceAccountName":"cart"}}')
    const status = { phase: 'Running', conditions: [...conditions, { type: 'PodScheduled', status: 'True' }] }
    await client.patch(
      pods,
      { namespace: 'default', name: 'server' },
      { status },
      { type: 'merge', subresource: 'status' }
    )
    await until('one', 'pod', 'server', '-ojsonpath={.spec.nodeName}')
  })

  afterAll(async () => {
    stopping.abort()
    echo?.close()
    await server?.close()
    await rm(directory, { recursive: true, force: true })
    expect(errors).toEqual([])
  })

  const manifest = (replicas: number, port: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: cart } }
  template:
    metadata: { labels: { app: cart } }
    spec: { containers: [{ name: main, image: cart, ports: [{ containerPort: ${port} }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart }
spec: { action: DENY }
`

  it('applies, shows what changed, and applies on the server', async () => {
    const first = await withFile(manifest(2, 8080), file => run('apply', '-f', file))
    expect(first).toContain('deployment.apps/cart created')
    expect(first).toContain('authorizationpolicy.security.istio.io/cart created')
    const again = await withFile(manifest(2, 8080), file => run('apply', '-f', file))
    expect(again).toContain('deployment.apps/cart unchanged')
    const changed = await withFile(manifest(3, 8081), file => run('apply', '-f', file))
    expect(changed).toContain('deployment.apps/cart configured')
    expect(changed).not.toMatch(/warning/i)
    const ports = '-ojsonpath={.spec.replicas} {.spec.template.spec.containers[*].ports[*].containerPort}'
    expect(await run('get', 'deployment', 'cart', ports)).toBe('3 8081')
    const server = await withFile(manifest(1, 8081), file =>
      run('apply', '--server-side', '--force-conflicts', '-f', file)
    )
    expect(server).toContain('deployment.apps/cart serverside-applied')
    expect(await run('get', 'deployment', 'cart', ports)).toBe('1 8081')
  })

  it('refuses an unknown field and a wrong one', async () => {
    await expect(
      withFile(manifest(2, 8080).replace('replicas', 'replica'), file => run('apply', '-f', file))
    ).rejects.toMatchObject({ stderr: expect.stringMatching(/unknown field.*replica/) })
    await expect(
      withFile(manifest(2, 8080).replace('{ app: cart } }\n    spec', '{ app: other } }\n    spec'), file =>
        run('apply', '-f', file)
      )
    ).rejects.toMatchObject({ stderr: expect.stringContaining('`selector` does not match template `labels`') })
  })

  it('prints tables', async () => {
    expect(await run('get', 'nodes')).toMatch(/NAME +STATUS +ROLES +AGE +VERSION\s+one +Ready +<none>/)
    expect(await run('get', 'pods')).toMatch(/NAME +READY +STATUS +RESTARTS +AGE/)
    expect(await run('get', 'services')).toMatch(/kubernetes +ClusterIP +10\.96\.0\.1 +<none> +443\/TCP/)
  })

  it('creates what it encodes itself', async () => {
    await run('create', 'namespace', 'shop')
    await run('create', 'configmap', 'settings', '-n', 'shop', '--from-literal=a=1')
    await run('create', 'secret', 'generic', 'password', '-n', 'shop', '--from-literal=a=1')
    expect(await run('get', 'secret', 'password', '-n', 'shop', '-ojsonpath={.data.a}')).toBe('MQ==')
    await run('create', 'deployment', 'web', '-n', 'shop', '--image=web', '--replicas=0', '--port=80')
    expect(await run('get', 'deployment', 'web', '-n', 'shop', '-ojsonpath={.spec.replicas}')).toBe('0')
    expect(await run('delete', 'namespace', 'shop')).toContain('deleted')
  })

  it('gives tokens and says who one is', async () => {
    const commands = await run('create', '--help')
    // kubectl has it since 1.24.
    if (commands.includes('  token ')) expect((await run('create', 'token', 'cart')).trim().split('.')).toHaveLength(3)
    expect(await run('auth', 'can-i', 'delete', 'pods')).toBe('yes\n')
  })

  it('explains built-in kinds', async () => {
    expect(await run('explain', 'pod.spec.containers.ports')).toMatch(/containerPort\s+<integer>/)
  })

  it('scales, restarts and undoes', async () => {
    const path = '-ojsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}'
    const revision = (number: number) => until(String(number), 'deployment', 'rolled', path)
    await run('create', 'deployment', 'rolled', '--image=one')
    await revision(1)
    await run('scale', 'deployment/rolled', '--replicas=4')
    expect(await run('get', 'deployment', 'rolled', '-ojsonpath={.spec.replicas}')).toBe('4')
    await run('set', 'image', 'deployment/rolled', 'one=two')
    await revision(2)
    expect(await run('rollout', 'undo', 'deployment/rolled')).toContain('rolled back')
    await revision(3)
    expect(await run('get', 'deployment', 'rolled', '-ojsonpath={.spec.template.spec.containers[0].image}')).toBe('one')
  })

  it('shows logs', async () => {
    expect(await run('logs', 'server')).toBe('hello from server\n')
    await expect(run('logs', 'server', '-c', 'other')).rejects.toMatchObject({
      stderr: expect.stringContaining('container other is not valid for pod server')
    })
  })

  it('runs commands, and ends as they end', async () => {
    await expect(run('exec', 'server', '--', 'echo', 'a', 'b')).rejects.toMatchObject({ code: 3, stdout: 'echo a b\n' })
  })

  it.each([
    { way: 'WebSocket', websockets: 'true' },
    { way: 'SPDY', websockets: 'false' }
  ])('forwards ports over $way, connection after connection', async ({ websockets }) => {
    const args = ['port-forward', 'pod/server', ':8080', ':9999', '--address=127.0.0.1']
    const child = spawn(kubectl!, args, { env: { ...env, KUBECTL_PORT_FORWARD_WEBSOCKETS: websockets } })
    try {
      const ports = await forwardedPorts(child.stdout, child.stderr, 2)
      for (const size of [1, 5_000_000]) {
        const sent = Buffer.alloc(size, 'x')
        expect((await exchange(ports[0]!, sent)).equals(sent)).toBe(true)
      }
      const complaint = new Promise<string>(resolve =>
        child.stderr.on('data', chunk => /nothing listens/.test(String(chunk)) && resolve(String(chunk)))
      )
      expect((await exchange(ports[1]!, Buffer.from('x'))).length).toBe(0)
      expect(await complaint).toContain('nothing listens on 9999')
    } finally {
      child.kill()
    }
  })
})

async function forwardedPorts(stdout: Readable, stderr: Readable, count: number): Promise<number[]> {
  const ports: number[] = []
  let complaints = ''
  stderr.on('data', chunk => {
    complaints += String(chunk)
  })
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    for (const [, port] of String(chunk).matchAll(/Forwarding from 127\.0\.0\.1:(\d+)/g)) ports.push(Number(port))
    if (ports.length === count) return ports
  }
  throw new Error(`kubectl port-forward ended: ${complaints}`)
}

/** Sends everything, then reads to the end. */
function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(bytes))
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('end', () => resolve(Buffer.concat(chunks)))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(Buffer.concat(chunks)) : reject(error)
    )
  })
}
