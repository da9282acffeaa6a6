import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createKubernetesClient, kubeConfigFromText, namespaces, secrets } from '@culvert/kubernetes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ApiServer, startApiServer } from '@culvert/lab/api-server'

const launcher = fileURLToPath(new URL('../bin/istiod-lite', import.meta.url))
const anyPort = ['httpAddr', 'monitoringAddr', 'grpcAddr', 'secureGRPCAddr'].map(flag => `--${flag}=127.0.0.1:0`)

let directory: string
let api: ApiServer
const children: ChildProcess[] = []
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-istiod-'))
  api = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  writeFileSync(join(directory, 'kubeconfig'), api.adminKubeconfig())
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await api.close()
  rmSync(directory, { recursive: true })
})

/** Starts the program as an operator would: through a link, from elsewhere, with nothing but what is given. */
function start(environment: Record<string, string>, args: readonly string[] = []) {
  const link = join(directory, `link-${children.length}`)
  symlinkSync(launcher, link)
  const child = spawn(link, ['discovery', ...anyPort, ...args], {
    cwd: directory,
    env: { PATH: '/usr/bin:/bin', ...environment },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  children.push(child)
  const lines: string[] = []
  const serving = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      if (line.includes('serving: gRPC over TLS')) serving.resolve()
    })
  }
  const exited = once(child, 'close').then(([code, signal]) => {
    serving.reject(new Error(`ended before serving: ${lines.join('\n')}`))
    return { code: code as number | null, signal: signal as string | null }
  })
  serving.promise.catch(() => {})
  return { child, lines, serving: serving.promise, exited }
}

describe('the launcher', () => {
  it('starts from anywhere with an empty environment, ends with 0 when told to, and keeps its root over SIGKILL', async () => {
    const client = createKubernetesClient(await kubeConfigFromText(api.adminKubeconfig()))
    await client.create(namespaces, { metadata: { name: 'istio-system' } })
    const environment = { KUBECONFIG: join(directory, 'kubeconfig') }
    const first = start(environment, ['--unknown=1'])
    await first.serving
    expect(first.lines.some(line => line.includes('flag --unknown has no effect here'))).toBe(true)
    const ref = { namespace: 'istio-system', name: 'istio-ca-secret' }
    const root = (await client.get(secrets, ref))?.data?.['ca-cert.pem']
    expect(root).toMatch(/./)
    first.child.kill('SIGKILL')
    await first.exited

    const second = start(environment)
    await second.serving
    expect((await client.get(secrets, ref))?.data?.['ca-cert.pem']).toBe(root)
    second.child.kill('SIGTERM')
    expect(await second.exited).toEqual({ code: 0, signal: null })
    client.close()
  })

  it.each([
    [
      'a kubeconfig that is not there',
      { KUBECONFIG: '/no/such/file' },
      [],
      'cannot read kubeconfig /no/such/file: ENOENT'
    ],
    ['no cluster at all', {}, [], 'set KUBECONFIG to a file'],
    ['a malformed setting', { DEFAULT_WORKLOAD_CERT_TTL: 'long' }, [], 'DEFAULT_WORKLOAD_CERT_TTL="long": should be'],
    ['a malformed flag', {}, ['--httpAddr=x'], '--httpAddr="x": should be']
  ] as const)('ends with 1 and one line for %s', async (_, environment, args, message) => {
    const { exited, lines } = start(environment, args)
    expect((await exited).code).toBe(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^istiod-lite: /)
    expect(lines[0]).toContain(message)
  })

  it('[identity-ca-17] ends with 1 when the CA’s files are incomplete', async () => {
    for (const name of ['ca-cert.pem', 'root-cert.pem']) writeFileSync(join(directory, name), 'x')
    const { exited, lines } = start({ KUBECONFIG: join(directory, 'kubeconfig'), ROOT_CA_DIR: directory })
    expect((await exited).code).toBe(1)
    expect(lines.at(-1)).toContain('incomplete signing CA bundle detected')
  })
})
