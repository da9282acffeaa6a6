import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { writeMeshFile } from '../testing/mesh-file.ts'
import { createPolicyStore } from '../state/policy-store.ts'
import { createWorkloadIndex } from '../state/workload-index.ts'
import { followLocalConfig } from './follow-local-config.ts'
import { applyLoadedConfig, loadLocalConfig, namesOf } from './load-local-config.ts'
import type { LocalState } from './local-config.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'culvert-local-'))
})
afterEach(() => rm(folder, { recursive: true }))
const at = (name: string): string => path.join(folder, name)
const newState = (): LocalState => ({ index: createWorkloadIndex(), policies: createPolicyStore() })

const pod = (name: string, ip: string): string => `- uid: c//Pod/shop/${name}
  name: ${name}
  namespace: shop
  workloadIps: [${ip}]
  services:
    shop/cart.shop:
      80: 8080
`
const cart = `services:
- name: cart
  namespace: shop
  hostname: cart.shop
  vips:
  - /10.96.0.1
  ports:
    80: 8080
`
const policy = (name: string): string => `- name: ${name}
  namespace: shop
  scope: Namespace
  action: Deny
  dryRun: false
  rules:
  - - - namespaces:
        - !Exact bad
`

describe('loading', () => {
  it('reads a file of many batches in another process', async () => {
    writeMeshFile(at('mesh'), { workloads: 6_000, services: 20 })
    const state = newState()
    await applyLoadedConfig(await loadLocalConfig(at('mesh')), state)
    expect([...state.index.workloads()]).toHaveLength(6_000)
    expect(state.index.workloadByIp('', '10.0.0.7')).toMatchObject({ namespace: 'ns-7', canonicalRevision: 'v1' })
    expect(state.index.serviceByVip('', '172.16.0.3')?.endpoints.size).toBe(300)
  })

  it('starts again when the file turns out to need the whole parser', async () => {
    await writeFile(at('f'), `workloads:\n${pod('a', '10.0.0.1')}${pod('b', '&x 10.0.0.2')}`)
    const { workloads } = await loadLocalConfig(at('f'))
    expect([...workloads].map(({ workloadIps }) => workloadIps)).toEqual([['10.0.0.1'], ['10.0.0.2']])
  })

  it('names what is wrong', async () => {
    await writeFile(at('f'), `workloads:\n${pod('a', '10.0.0.1')}${pod('b', '10.0.0')}`)
    await expect(loadLocalConfig(at('f'))).rejects.toThrow(
      'local config: workloads[1].workloadIps[0] is "10.0.0", must be an IP address'
    )
    await expect(loadLocalConfig(at('none'))).rejects.toThrow('ENOENT')
  })
})

describe('following', () => {
  async function follow(file: string) {
    const state = newState()
    const first = await loadLocalConfig(file)
    await applyLoadedConfig(first, state)
    const stop = new AbortController()
    const onLoaded = vi.fn()
    const onError = vi.fn()
    const done = followLocalConfig(file, namesOf(first), state, {
      signal: stop.signal,
      onLoaded,
      onError,
      interval: 10
    })
    return {
      ...state,
      onLoaded,
      onError,
      async [Symbol.asyncDispose]() {
        stop.abort()
        await done
      }
    }
  }
  const uidsOf = (index: LocalState['index']): string[] => [...index.workloads()].map(({ name }) => name).sort()

  it('takes what comes and drops what goes', async () => {
    await writeFile(
      at('f'),
      `workloads:\n${pod('a', '10.0.0.1')}${pod('b', '10.0.0.2')}${cart}policies:\n${policy('p')}${policy('q')}`
    )
    await using followed = await follow(at('f'))
    expect(uidsOf(followed.index)).toEqual(['a', 'b'])
    await writeFile(
      at('new'),
      `workloads:\n${pod('b', '10.0.0.3')}${pod('c', '10.0.0.4')}${cart}policies:\n${policy('q')}`
    )
    await rename(at('new'), at('f'))
    await vi.waitFor(() => expect(followed.onLoaded).toHaveBeenCalled(), { timeout: 10_000 })
    expect(uidsOf(followed.index)).toEqual(['b', 'c'])
    expect(followed.index.workloadByIp('', '10.0.0.2')).toBeUndefined()
    expect(followed.index.serviceByVip('', '10.96.0.1')?.endpoints.size).toBe(2)
    expect([...followed.policies.policies()].map(([key]) => key)).toEqual(['shop/q'])
  })

  it('sees where a link leads', async () => {
    // As the kubelet lays a ConfigMap out: file -> ..data/file, ..data -> a folder per version.
    for (const version of ['1', '2']) {
      await mkdir(at(version))
      await writeFile(at(`${version}/f`), `workloads:\n${pod(`v${version}`, '10.0.0.1')}`)
    }
    await symlink('1', at('..data'))
    await symlink('..data/f', at('f'))
    await using followed = await follow(at('f'))
    await symlink('2', at('..next'))
    await rename(at('..next'), at('..data'))
    await vi.waitFor(() => expect(uidsOf(followed.index)).toEqual(['v2']), { timeout: 10_000 })
  })

  it('keeps what it has while the file cannot be used', async () => {
    await writeFile(at('f'), `workloads:\n${pod('a', '10.0.0.1')}`)
    await using followed = await follow(at('f'))
    await writeFile(at('f'), 'workloads:\n- uid: c//Pod/shop/b\n  name')
    await vi.waitFor(() => expect(followed.onError).toHaveBeenCalled(), { timeout: 10_000 })
    await rm(at('f'))
    await vi.waitFor(() => expect(String(followed.onError.mock.lastCall)).toContain('ENOENT'), { timeout: 10_000 })
    expect(uidsOf(followed.index)).toEqual(['a'])
    expect(followed.onLoaded).not.toHaveBeenCalled()
    await writeFile(at('f'), `workloads:\n${pod('c', '10.0.0.1')}`)
    await vi.waitFor(() => expect(uidsOf(followed.index)).toEqual(['c']), { timeout: 10_000 })
  })
})
