import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { selfSigned } from './certificate.ts'

export interface Answer {
  status: number
  body: unknown
}

export interface Run {
  code: number | null
  stdout: string
  stderr: string
  milliseconds: number
}

/** What the plugin finds on a node: an API server over HTTPS, the node agent's sockets, a run directory. */
export interface TestNode extends AsyncDisposable {
  readonly runDir: string
  /** What the API server has, by path; a missing path is 404. */
  readonly objects: Map<string, Answer>
  /** `GET /api/v1/…` of the API server and `POST /cmdadd` of the agent, in order. */
  readonly requests: string[]
  /** Bodies of `/cmdadd` and `/log`. */
  readonly events: { url: string; headers: http.IncomingHttpHeaders; body: string }[]
  /** What the agent says to `/cmdadd`; undefined: nothing, ever. */
  agentAnswer: { status: number; body: string } | undefined
  pod(namespace: string, name: string, pod?: object, namespaceLabels?: Record<string, string>): void
  listen(socket: 'pluginevent.sock' | 'log.sock'): Promise<void>
  /** Runs the executable as a container runtime does, with nothing in the environment but what is given. */
  run(env: Record<string, string>, input?: string): Promise<Run>
}

export async function startNode(executable: string): Promise<TestNode> {
  const runDir = fs.mkdtempSync(path.join(os.tmpdir(), 'culvert-cni-'))
  const { certificate, key } = await selfSigned()
  const servers: http.Server[] = []
  const objects = new Map<string, Answer>()
  const requests: string[] = []
  const events: TestNode['events'] = []

  const api = https.createServer({ cert: certificate, key }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const authorized = request.headers.authorization === 'Bearer node-token'
    const unknown = { status: 404, body: { kind: 'Status', message: `${request.url} not found` } }
    const { status, body } = authorized ? (objects.get(request.url ?? '') ?? unknown) : { status: 401, body: {} }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  api.listen(0, '127.0.0.1')
  servers.push(api)
  await once(api, 'listening')
  const context = 'istio-cni-context'
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'local',
        cluster: {
          server: `https://127.0.0.1:${(api.address() as net.AddressInfo).port}`,
          'certificate-authority-data': Buffer.from(certificate).toString('base64')
        }
      }
    ],
    users: [{ name: 'istio-cni', user: { token: 'node-token\n' } }],
    contexts: [{ name: context, context: { cluster: 'local', user: 'istio-cni' } }],
    'current-context': context
  }
  fs.writeFileSync(path.join(runDir, 'istio-cni-kubeconfig'), JSON.stringify(kubeconfig))

  const node: TestNode = {
    runDir,
    objects,
    requests,
    events,
    agentAnswer: { status: 200, body: '' },
    pod(namespace, name, pod = {}, namespaceLabels = {}) {
      objects.set(`/api/v1/namespaces/${namespace}/pods/${name}`, { status: 200, body: pod })
      objects.set(`/api/v1/namespaces/${namespace}`, { status: 200, body: { metadata: { labels: namespaceLabels } } })
    },
    async listen(socket) {
      const agent = http.createServer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', chunk => chunks.push(chunk))
        request.on('end', () => {
          events.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() })
          const answer = request.url === '/cmdadd' ? node.agentAnswer : { status: 200, body: '' }
          if (answer !== undefined) response.writeHead(answer.status).end(answer.body)
        })
      })
      servers.push(agent)
      agent.listen(path.join(runDir, socket))
      await once(agent, 'listening')
    },
    async run(env, input = '') {
      const start = performance.now()
      const child = spawn(executable, [], { env, stdio: ['pipe', 'pipe', 'pipe'] })
      const output = { stdout: '', stderr: '' }
      child.stdout.setEncoding('utf8').on('data', chunk => (output.stdout += chunk))
      child.stderr.setEncoding('utf8').on('data', chunk => (output.stderr += chunk))
      // A run that reads no input closes the pipe early.
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      const [code] = (await once(child, 'close')) as [number | null]
      return { ...output, code, milliseconds: performance.now() - start }
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      }
      fs.rmSync(runDir, { recursive: true })
    }
  }
  return node
}

/** The selectors of the chart (docs/spec/cni.md 4.3). */
const selectors = [
  { podSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } } },
  {
    namespaceSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } },
    podSelector: { matchExpressions: [{ key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] }] }
  }
]

/** The configuration as the installer writes it, with changes. */
export function configFor(node: TestNode, changes: object = {}): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    type: 'istio-cni',
    plugin_log_level: 'info',
    cni_agent_run_dir: node.runDir,
    ambient_enabled: true,
    enablement_selectors: selectors,
    exclude_namespaces: ['kube-system'],
    pod_namespace: 'istio-system',
    ipam: {},
    dns: {},
    ...changes
  })
}

/** The environment of docs/spec/cni.md 8.1 for a pod. */
export function addFor(namespace: string, name: string, changes: Record<string, string> = {}): Record<string, string> {
  return {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: '7f3a',
    CNI_NETNS: '/var/run/netns/cni-5b2e',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=0d5f`,
    ...changes
  }
}

export const ambientLabel: Record<string, string> = { 'istio.io/dataplane-mode': 'ambient' }
