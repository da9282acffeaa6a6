import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createInstaller, type Installer } from './installer.ts'
import type { InstallResult, InstallSettings } from './install-settings.ts'

let dir: string
let abort: AbortController
let ready: boolean[]
let results: InstallResult[]
let warnings: string[]
let waiting: (() => void)[]

beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'culvert-install-'))
  abort = new AbortController()
  ;[ready, results, warnings, waiting] = [[], [], [], []]
  for (const name of ['image', 'net.d', 'account']) mkdirSync(path.join(dir, name))
  writeFileSync(path.join(dir, 'image/istio-cni'), '#!/bin/true\n')
  chmodSync(path.join(dir, 'image/istio-cni'), 0o755)
  writeFileSync(path.join(dir, 'account/token'), 'first')
  writeFileSync(path.join(dir, 'account/ca.crt'), 'CA')
})

afterEach(() => {
  abort.abort()
  rmSync(dir, { recursive: true, force: true })
})

const inside = (...parts: string[]): string => path.join(dir, ...parts)
const text = (...parts: string[]): string => readFileSync(inside(...parts), 'utf8')

function settings(changes: Partial<InstallSettings> = {}): InstallSettings {
  return {
    binariesDir: inside('image'),
    targetDirs: [inside('bin')],
    configDir: inside('net.d'),
    mode: { kind: 'chained' },
    confName: '',
    ownConfigSetting: false,
    confGroupRead: false,
    plugin: {
      logLevel: 'info',
      agentRunDir: '/var/run/istio-cni',
      ambientEnabled: false,
      enablementSelectors: [],
      excludeNamespaces: ['kube-system'],
      podNamespace: 'istio-system',
      nativeNftables: false,
      ambientDetectionRetry: false
    },
    kubeconfig: {
      path: inside('run/istio-cni-kubeconfig'),
      mode: 0o600,
      protocol: 'https',
      host: 'fd00::1',
      port: '443',
      caFile: '',
      skipTlsVerify: false
    },
    serviceAccountDir: inside('account'),
    ...changes
  }
}

/** Runs an installer in the background; what `until` waits for comes with its next change of readiness or log line. */
function start(changes: Partial<InstallSettings> = {}): { installer: Installer; ended: Promise<Error | undefined> } {
  const wake = (): void => {
    for (const call of waiting.splice(0)) call()
  }
  const installer = createInstaller({
    settings: settings(changes),
    log: {
      info: wake,
      warn: message => {
        warnings.push(message)
        wake()
      }
    },
    onReady: now => {
      ready.push(now)
      wake()
    },
    onResult: result => {
      results.push(result)
      wake()
    }
  })
  const ended = installer.run({ signal: abort.signal }).then(
    () => undefined,
    (error: Error) => {
      wake()
      return error
    }
  )
  return { installer, ended }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>(resolve => waiting.push(resolve))
}

const isReady = (): boolean => ready.at(-1) === true

const conflist = (...types: string[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: types.map(type => ({ type })) })

describe('the installer', () => {
  it('[cni-16] chains into the single-plugin file of 8.2, byte for byte, and leaves no temporary file', async () => {
    writeFileSync(inside('net.d/00-notes.conf'), 'not JSON')
    writeFileSync(inside('net.d/10-lab.conf'), '{"cniVersion":"0.4.0","name":"lab","type":"bridge","mtu":1400}')
    chmodSync(inside('net.d/10-lab.conf'), 0o644)
    start()
    await until(isReady)
    expect(readdirSync(inside('net.d')).sort()).toEqual(['00-notes.conf', '10-lab.conflist'])
    const example = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/spec/cni.md'), 'utf8')
    const expected = /### 8\.2[\s\S]*?```\n([\s\S]*?)```/.exec(example)![1]
    expect(text('net.d/10-lab.conflist')).toBe(expected)
    expect(statSync(inside('net.d/10-lab.conflist')).mode & 0o777).toBe(0o644)
    expect(readdirSync(inside('bin'))).toEqual(['istio-cni'])
    expect(statSync(inside('bin/istio-cni')).mode & 0o777).toBe(0o755)
    expect(results).toEqual(['SUCCESS'])
    expect(new Set(warnings)).toEqual(new Set(['00-notes.conf is skipped: it is no CNI configuration']))
  })

  it('[cni-17] leaves one entry of ours, the last', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('istio-cni', 'bridge', 'portmap'))
    start()
    await until(isReady)
    const { plugins } = JSON.parse(text('net.d/10-net.conflist'))
    expect(plugins.map((plugin: { type: string }) => plugin.type)).toEqual(['bridge', 'portmap', 'istio-cni'])
  })

  it.each([
    [false, 0o600],
    [true, 0o640]
  ])('[cni-18] standalone without a name writes YYY-istio-cni.conf, group read %s', async (confGroupRead, mode) => {
    start({ mode: { kind: 'standalone' }, confGroupRead })
    await until(isReady)
    expect(statSync(inside('net.d/YYY-istio-cni.conf')).mode & 0o777).toBe(mode)
    expect(Object.keys(JSON.parse(text('net.d/YYY-istio-cni.conf')))).toEqual([
      ...['cniVersion', 'name', 'type', 'ipam', 'dns', 'plugin_log_level', 'cni_agent_run_dir', 'ambient_enabled'],
      ...[
        'enablement_selectors',
        'exclude_namespaces',
        'pod_namespace',
        'native_nftables',
        'enable_ambient_detection_retry'
      ]
    ])
  })

  it('[cni-19] own-file mode writes a file of its own and leaves the primary one', async () => {
    const primary = conflist('bridge', 'portmap')
    writeFileSync(inside('net.d/10-net.conflist'), primary)
    start({ mode: { kind: 'own', fileName: '02-istio-cni.conflist' }, ownConfigSetting: true })
    await until(isReady)
    expect(text('net.d/10-net.conflist')).toBe(primary)
    const { plugins } = JSON.parse(text('net.d/02-istio-cni.conflist'))
    expect(plugins.map((plugin: { type: string }) => plugin.type)).toEqual(['bridge', 'portmap', 'istio-cni'])
  })

  it('own-file mode without a primary configuration ends with the reason', async () => {
    const { ended } = start({ mode: { kind: 'own', fileName: '02-istio-cni.conflist' } })
    expect((await ended)?.message).toBe('primary CNI config name is not specified, cannot write CNI config')
    expect(results).toEqual(['CREATE_CNI_CONFIG_FAILURE'])
  })

  it('waits for a configuration to chain into', async () => {
    start()
    await until(() => existsSync(inside('run/istio-cni-kubeconfig')))
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    await until(isReady)
    expect(text('net.d/10-net.conflist')).toContain('istio-cni')
  })

  it('[cni-20] puts its entry back when another program removes it, unready meanwhile', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    start()
    await until(isReady)
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    await until(() => ready.length >= 3 && isReady())
    expect(ready.slice(0, 3)).toEqual([true, false, true])
    expect(text('net.d/10-net.conflist')).toContain('istio-cni')
  })

  it('[cni-21] writes a new token into the kubeconfig and leaves a valid configuration alone', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    start()
    await until(isReady)
    expect(text('run/istio-cni-kubeconfig')).toContain('"token": "first"')
    expect(text('run/istio-cni-kubeconfig')).toContain('"server": "https://[fd00::1]:443"')
    const { ino, mtimeMs } = statSync(inside('net.d/10-net.conflist'))
    writeFileSync(inside('account/token'), 'second')
    await until(() => ready.length >= 3 && isReady())
    expect(text('run/istio-cni-kubeconfig')).toContain('"token": "second"')
    expect(statSync(inside('net.d/10-net.conflist'))).toMatchObject({ ino, mtimeMs })
  })

  it('warns about a file that sorts before the one it wrote, and stays with its own', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    start()
    await until(isReady)
    writeFileSync(inside('net.d/05-early.conflist'), conflist('other'))
    await until(() => warnings.length > 0 && isReady())
    expect(warnings[0]).toContain('is preempted by 05-early.conflist')
    expect(text('net.d/05-early.conflist')).not.toContain('istio-cni')
  })

  it('lives with files it cannot read', async () => {
    symlinkSync('nowhere', inside('net.d/05-gone.conflist'))
    symlinkSync(dir, inside('net.d/06-folder.conf'))
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    start()
    await until(isReady)
    expect(text('net.d/10-net.conflist')).toContain('istio-cni')
  })

  it('copies the plugin again only when somebody touched it', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    start()
    await until(isReady)
    const { ino } = statSync(inside('bin/istio-cni'))
    writeFileSync(inside('account/token'), 'second')
    await until(() => ready.length >= 3 && isReady())
    expect(statSync(inside('bin/istio-cni')).ino).toBe(ino)
    const passes = ready.length
    writeFileSync(inside('bin/istio-cni'), '#!/bin/else\n')
    await until(() => ready.length > passes && isReady())
    expect(text('bin/istio-cni')).toBe('#!/bin/true\n')
  })

  it('cleans up: entry, kubeconfig and plugin are gone, the rest of the file stays', async () => {
    writeFileSync(inside('net.d/10-net.conflist'), conflist('bridge'))
    const { installer } = start()
    await until(isReady)
    abort.abort()
    installer.cleanUp()
    expect(JSON.parse(text('net.d/10-net.conflist')).plugins).toEqual([{ type: 'bridge' }])
    expect(existsSync(inside('run/istio-cni-kubeconfig'))).toBe(false)
    expect(readdirSync(inside('bin'))).toEqual([])
  })

  it('ends with the failure when the service account has no token', async () => {
    rmSync(inside('account/token'))
    const { ended } = start()
    expect((await ended)?.message).toContain('account/token')
    expect(results).toEqual(['CREATE_KUBECONFIG_FAILURE'])
  })
})
