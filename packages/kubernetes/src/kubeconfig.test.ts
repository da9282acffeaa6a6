import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadClusterAccess, loadKubeConfig } from './kubeconfig.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-kubeconfig-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const config = (change: Record<string, unknown> = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    clusters: [{ name: 'k', cluster: { server: 'https://10.96.0.1:443' } }],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    users: [{ name: 'u', user: { token: 't' } }],
    ...change
  })

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

it.each([
  ['not-yaml', ':\n  - {', 'is not YAML'],
  ['a-list', '[]', 'is not a kubeconfig'],
  ['no-context', config({ 'current-context': undefined }), 'no current-context'],
  ['wrong-context', config({ 'current-context': 'prod' }), 'current-context "prod" is not among its contexts (c)'],
  ['no-cluster', config({ clusters: [] }), 'names cluster "k", which is not there'],
  ['no-user', config({ users: [] }), 'names user "u", which is not there'],
  [
    'no-server',
    config({ clusters: [{ name: 'k', cluster: { server: 'kubernetes' } }] }),
    'server "kubernetes" of cluster "k"'
  ],
  [
    'no-ca-file',
    config({ clusters: [{ name: 'k', cluster: { server: 'https://a', 'certificate-authority': 'absent.crt' } }] }),
    'absent.crt'
  ]
])('kubeconfig %s is refused with its file and the reason', async (name, text, reason) => {
  const path = file(name, text)
  await expect(loadKubeConfig(path)).rejects.toMatchObject({ code: 'KUBERNETES_CONFIG' })
  await expect(loadKubeConfig(path)).rejects.toThrow(path)
  await expect(loadKubeConfig(path)).rejects.toThrow(reason)
})

it('names a kubeconfig that cannot be read', async () => {
  const path = join(directory, 'absent')
  await expect(loadKubeConfig(path)).rejects.toThrow(`cannot read kubeconfig ${path}: ENOENT`)
})

it('sends the token of a good one, from its text or from a tokenFile beside it', async () => {
  writeFileSync(join(directory, 'token'), 'from-file')
  for (const [name, user, expected] of [
    ['inline', { token: 't' }, 'Bearer t'],
    ['filed', { tokenFile: 'token' }, 'Bearer from-file']
  ] as const) {
    const loaded = await loadKubeConfig(file(name, config({ users: [{ name: 'u', user }] })))
    const options: RequestOptions = {}
    await loaded.applyToHTTPSOptions(options)
    expect(options.headers).toMatchObject({ Authorization: expected })
  }
})

it('a program finds its cluster by KUBECONFIG, then by its pod, else says what is missing', async () => {
  const settings = (values: Record<string, string>) => ({ get: (name: string) => values[name] })
  const inPod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const chosen = await loadClusterAccess(settings({ ...inPod, KUBECONFIG: file('chosen', config()) }))
  expect(chosen.getCurrentCluster()?.server).toBe('https://10.96.0.1:443')

  writeFileSync(join(directory, 'token'), 'x')
  const pod = await loadClusterAccess(settings(inPod), { serviceAccountDirectory: directory })
  expect(pod.getCurrentCluster()?.server).toBe('https://[fd00::1]:443')

  await expect(loadClusterAccess(settings({}))).rejects.toThrow('set KUBECONFIG')
  const absent = join(directory, 'none')
  await expect(loadClusterAccess(settings(inPod), { serviceAccountDirectory: absent })).rejects.toThrow(absent)
})
