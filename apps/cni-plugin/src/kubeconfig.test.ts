import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readKubeconfig } from './kubeconfig.ts'

let dir: string

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-kubeconfig-'))
})

afterEach(() => fs.rmSync(dir, { recursive: true }))

function write(
  cluster: object,
  user: object,
  changes: object = {},
  serialize: (config: object) => string = stringify
): string {
  const file = path.join(dir, 'config')
  const config = {
    clusters: [{ name: 'local', cluster }],
    users: [{ name: 'istio-cni', user }],
    contexts: [{ name: 'c', context: { cluster: 'local', user: 'istio-cni' } }],
    'current-context': 'c',
    ...changes
  }
  fs.writeFileSync(file, serialize(config))
  return file
}

it.each([
  { name: 'YAML', serialize: stringify },
  { name: 'JSON, as our node agent writes', serialize: JSON.stringify }
])('reads $name', async ({ serialize }) => {
  const cluster = {
    server: 'https://[fd00::1]:6443',
    'certificate-authority-data': Buffer.from('CA').toString('base64')
  }
  expect(await readKubeconfig(write(cluster, { token: 'secret\n' }, {}, serialize))).toMatchObject({
    url: { host: '[fd00::1]:6443' },
    ca: 'CA',
    insecure: false,
    token: 'secret'
  })
})

it('reads files beside it', async () => {
  fs.writeFileSync(path.join(dir, 'ca.crt'), 'CA')
  fs.writeFileSync(path.join(dir, 'token'), 'secret\n')
  const cluster = { server: 'https://a', 'certificate-authority': 'ca.crt', 'tls-server-name': 'b' }
  expect(await readKubeconfig(write(cluster, { tokenFile: 'token' }))).toMatchObject({
    ca: 'CA',
    token: 'secret',
    serverName: 'b'
  })
})

it('takes the word for an insecure server', async () => {
  const file = write({ server: 'https://a', 'insecure-skip-tls-verify': true }, {})
  expect((await readKubeconfig(file)).insecure).toBe(true)
})

it.each([
  { why: 'no server', changes: {}, cluster: {}, message: 'server is ""' },
  { why: 'another scheme', changes: {}, cluster: { server: 'ftp://a' }, message: 'want an https URL' },
  {
    why: 'no such context',
    changes: { 'current-context': 'd' },
    cluster: { server: 'https://a' },
    message: 'no entry "d" in contexts'
  },
  {
    why: 'a CA file that is not there',
    changes: {},
    cluster: { server: 'https://a', 'certificate-authority': 'x' },
    message: 'ENOENT'
  }
])('refuses $why', async ({ changes, cluster, message }) => {
  await expect(readKubeconfig(write(cluster, {}, changes))).rejects.toThrow(message)
})

it.each(['', '[', 'text', 'null'])('refuses the content %j', async content => {
  const file = path.join(dir, 'config')
  fs.writeFileSync(file, content)
  await expect(readKubeconfig(file)).rejects.toThrow(file)
})
