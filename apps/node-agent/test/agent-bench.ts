import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { createNetns, type Netns, run } from '@culvert/netns'
import { parseScopeLevels } from '@culvert/telemetry'
import { createZdsClient, type ZdsClient } from '@culvert/zds'
import { runNodeAgent } from '../src/node/node-agent.ts'
import { type AgentSettings, readSettings } from '../src/settings/agent-settings.ts'
import { type FakeApi, startFakeApi } from './fake-api.ts'
import { chartSelectors } from './objects.ts'

/** A node's files and namespaces, a Kubernetes API, and agents on them. */
export interface AgentBench extends AsyncDisposable {
  readonly api: FakeApi
  readonly host: Netns
  readonly dir: string
  readonly logged: string[]
  /** A namespace with this address; `path` is where the runtime would say it is. */
  pod(name: string, ip: string): Promise<{ netns: Netns; path: string }>
  /** A process of the pod, as the host's /proc shows it. */
  process(pid: number, podUid: string, netns: Netns): void
  /** A kubelet of this user. */
  kubelet(uid: number): void
  sh(netns: Netns, command: string): Promise<string>
  start(changes?: Partial<AgentSettings>): RunningAgent
  /** A ztunnel that answers as told; what it is sent is in `seen`. */
  ztunnel(options?: { refuse?: () => Error | undefined }): { client: ZdsClient; seen: string[] }
  /** POST /cmdadd. */
  cmdAdd(event: object): Promise<{ status: number; body: string }>
  /** Resolves once it holds, asked again whenever something is logged. */
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>
}

export interface RunningAgent {
  stop(): Promise<void>
  readonly done: Promise<void>
}

export async function createAgentBench(): Promise<AgentBench> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'culvert-agent-'))
  const api = await startFakeApi()
  const host = createNetns()
  const namespaces: Netns[] = [host]
  const agents: RunningAgent[] = []
  const clients: ZdsClient[] = []
  const logged: string[] = []
  const waiting = new Set<() => void>()
  const inside = (...parts: string[]): string => path.join(dir, ...parts)
  const fdPath = (netns: Netns): string => `/proc/${process.pid}/fd/${netns.fd}`

  for (const folder of ['image', 'bin', 'net.d', 'account', 'host/proc/1/ns', 'host/proc/sys', 'host/var/run/netns']) {
    mkdirSync(inside(folder), { recursive: true })
  }
  symlinkSync(fdPath(host), inside('host/proc/1/ns/net'))
  writeFileSync(inside('image/istio-cni'), '#!/bin/true\n')
  chmodSync(inside('image/istio-cni'), 0o755)
  writeFileSync(inside('account/token'), 'token')
  writeFileSync(inside('account/ca.crt'), 'CA')
  writeFileSync(
    inside('net.d/10-lab.conflist'),
    JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'bridge' }] })
  )
  api.set('nodes', { metadata: { name: 'node-1' } })
  api.set('daemonsets', { metadata: { name: 'istio-cni-node', namespace: 'istio-system' }, ...daemonSetSpec })

  const sh = async (netns: Netns, command: string): Promise<string> => {
    const result = await run(netns, 'sh', ['-c', command])
    if (result.code !== 0) throw new Error(`${command}: status ${result.code}: ${result.stderr}`)
    return result.stdout
  }
  await sh(host, 'ip link set lo up')

  function settings(changes: Partial<AgentSettings>): AgentSettings {
    const environment = new Map(Object.entries({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' }))
    const read = readSettings([], environment, { binaries: inside('image') })
    return {
      ...read,
      ambient: true,
      nodeName: 'node-1',
      podNamespace: 'istio-system',
      selectors: chartSelectors,
      runDir: inside('run'),
      zdsPath: inside('ztunnel.sock'),
      monitoringPort: 0,
      healthPort: 0,
      hostRoot: inside('host'),
      switchToHostNetns: true,
      capture: { ...read.capture, dnsCapture: true },
      ...changes,
      install: {
        ...read.install,
        targetDirs: [inside('bin')],
        configDir: inside('net.d'),
        kubeconfig: { ...read.install.kubeconfig, path: inside('run/istio-cni-kubeconfig') },
        serviceAccountDir: inside('account')
      }
    }
  }

  return {
    api,
    host,
    dir,
    logged,
    sh,
    async pod(name, ip) {
      const netns = createNetns()
      namespaces.push(netns)
      await sh(
        netns,
        `ip link set lo up
         ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up; ip addr add ${ip}/24 dev eth0`
      )
      symlinkSync(fdPath(netns), inside('host/var/run/netns', name))
      return { netns, path: `/var/run/netns/${name}` }
    },
    process(pid, podUid, netns) {
      const folder = inside('host/proc', String(pid))
      mkdirSync(`${folder}/ns`, { recursive: true })
      symlinkSync(fdPath(netns), `${folder}/ns/net`)
      const fields = Array.from({ length: 30 }, (_, index) => (index === 18 ? '500' : '0'))
      writeFileSync(`${folder}/stat`, `${pid} (app) S ${fields.join(' ')}\n`)
      writeFileSync(`${folder}/cgroup`, `0::/kubepods/besteffort/pod${podUid}/0123456789ab\n`)
    },
    kubelet(uid) {
      mkdirSync(inside('host/proc/20'))
      writeFileSync(inside('host/proc/20/comm'), 'kubelet\n')
      writeFileSync(inside('host/proc/20/cmdline'), 'kubelet\0')
      writeFileSync(inside('host/proc/20/status'), `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`)
    },
    start(changes = {}) {
      const stop = new AbortController()
      const write = (line: string): void => {
        logged.push(line)
        for (const check of [...waiting]) check()
      }
      const done = runNodeAgent(
        {
          settings: settings(changes),
          client: api.client,
          log: { style: 'go', json: false, filter: parseScopeLevels('default:debug'), write }
        },
        { signal: stop.signal }
      )
      done.catch(() => {})
      const agent: RunningAgent = {
        done,
        stop: async () => {
          stop.abort(new Error('the test stops it'))
          await done
        }
      }
      agents.push(agent)
      return agent
    },
    ztunnel({ refuse } = {}) {
      const seen: string[] = []
      const note = (text: string): void => {
        seen.push(text)
        for (const check of [...waiting]) check()
      }
      const client = createZdsClient({
        path: inside('ztunnel.sock'),
        log: { debug() {}, info() {}, warn() {}, error() {} },
        onFatal: error => note(`fatal ${error.message}`),
        handler: {
          connected: () => note('connected'),
          disconnected: () => note('disconnected'),
          add: async (uid, info, netns) => {
            netns.close()
            note(`add ${uid} ${info.name}`)
            const refusal = refuse?.()
            if (refusal) throw refusal
          },
          delete: async uid => note(`delete ${uid}`),
          keep: async uid => note(`keep ${uid}`),
          snapshotSent: async () => note('snapshot sent')
        }
      })
      client.start()
      clients.push(client)
      return { client, seen }
    },
    cmdAdd: event =>
      new Promise((resolve, reject) => {
        const call = request(
          { socketPath: inside('run/pluginevent.sock'), path: '/cmdadd', method: 'POST' },
          response => {
            let body = ''
            response.on('data', chunk => (body += chunk))
            response.on('end', () => resolve({ status: response.statusCode!, body }))
          }
        )
        call.on('error', reject)
        call.end(JSON.stringify(event))
      }),
    until: (what, holds) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check)
          reject(new Error(`${what}: not within 20 s; the log:\n${logged.slice(-40).join('')}`))
        }, 20_000)
        const check = async (): Promise<void> => {
          if (!(await holds())) return
          clearTimeout(timer)
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        void check()
      }),
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.stop()
      for (const agent of agents) await agent.stop().catch(() => {})
      await api[Symbol.asyncDispose]()
      for (const netns of namespaces) netns.close()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

const daemonSetSpec = { spec: { template: { spec: {} } } }
