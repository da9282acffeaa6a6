import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectTcp, createNetns, inNetns, type Netns, run } from '@culvert/netns'
import { createZdsServer, type SnapshotPod, type ZdsServer } from '@culvert/zds'
import type { ControlPlane } from './control-plane.ts'

export const launcher: string = new URL('../bin/ztunnel', import.meta.url).pathname

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One node: a network namespace with a ztunnel process in it, and the node agent's end of its socket. */
export interface TestNode extends AsyncDisposable {
  readonly zds: ZdsServer
  readonly netns: Netns
  readonly process: ChildProcess
  /** Whole lines of its standard output so far. */
  readonly lines: () => readonly string[]
  /** The first line that matches, now or later. */
  readonly line: (pattern: RegExp) => Promise<string>
  readonly http: (
    port: number,
    path: string,
    options?: { method?: string; headers?: Record<string, string> }
  ) => Promise<HttpAnswer>
  readonly listens: (port: number) => Promise<boolean>
  readonly ready: () => Promise<void>
}

export interface NodeOptions {
  readonly controlPlane: ControlPlane
  readonly pods?: readonly SnapshotPod[]
  readonly env?: Readonly<Record<string, string>>
  /** Text of its /etc/resolv.conf. */
  readonly resolvConf?: string
  /** Where it runs instead of in a namespace of its own: a pod, for a proxy of one workload. */
  readonly netns?: Netns
  /** Whom it runs as, with no privileges; by default as we do. */
  readonly user?: number
  /** Path of another node proxy's executable. */
  readonly program?: string
  readonly onConnectionCount?: (count: number) => void
}

export async function startNode(options: NodeOptions): Promise<TestNode> {
  const netns = options.netns ?? createNetns()
  const folder = mkdtempSync(join(tmpdir(), 'culvert-ztunnel-'))
  if (options.user !== undefined) chmodSync(folder, 0o755)
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  process.on('exit', removeFolder)
  const rootPath = join(folder, 'root.pem')
  writeFileSync(rootPath, options.controlPlane.rootCertificate)
  await must(netns, 'ip', ['link', 'set', 'lo', 'up'])
  await options.controlPlane.listen(netns)

  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
  const zdsPath = join(folder, 'ztunnel.sock')
  const zds = createZdsServer({
    path: zdsPath,
    snapshot: () => options.pods ?? [],
    log: silent,
    ...(options.onConnectionCount === undefined ? {} : { onConnectionCount: options.onConnectionCount })
  })
  zds.listen()
  zds.accept()

  const [command, args] = commandLine(folder, options)
  const child = inNetns(netns, () =>
    spawn(command, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        INPOD_UDS: zdsPath,
        XDS_ADDRESS: 'https://127.0.0.1:15012',
        CA_ADDRESS: 'https://127.0.0.1:15012',
        XDS_ROOT_CA: rootPath,
        CA_ROOT_CA: rootPath,
        NODE_NAME: 'node-1',
        ...options.env
      }
    })
  )
  const output = followLines(child)

  const http: TestNode['http'] = async (port, path, { method = 'GET', headers = {} } = {}) => {
    const socket = await connectTcp(netns, { ip: '127.0.0.1', port })
    try {
      const sent = request({ createConnection: () => socket, path, method, headers: { host: 'x', ...headers } })
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks).toString('latin1')
      return { status: response.statusCode ?? 0, headers: response.headers, body }
    } finally {
      socket.destroy()
    }
  }

  return {
    zds,
    netns,
    process: child,
    lines: output.lines,
    line: output.line,
    http,
    listens: port => isListening(netns, port),
    ready: () =>
      until(async () => (await http(15021, '/healthz/ready').catch(() => undefined))?.status === 200, output.lines),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await zds.close()
      if (options.netns === undefined) netns.close()
      process.off('exit', removeFolder)
      removeFolder()
    }
  }
}

export async function isListening(netns: Netns, port: number): Promise<boolean> {
  try {
    const socket = await connectTcp(netns, { ip: '127.0.0.1', port })
    socket.destroy()
    return true
  } catch {
    return false
  }
}

/** The program, in a mount namespace of its own where it needs another resolv.conf. */
function commandLine(
  folder: string,
  { resolvConf, user, program = launcher }: Pick<NodeOptions, 'resolvConf' | 'user' | 'program'>
): readonly [string, readonly string[]] {
  const as = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--inh-caps=-all']
  // A test that runs out of time never gets to stop it: then it goes when this process does.
  const start = ['setpriv', ...as, '--pdeathsig', 'KILL', '--', program, 'proxy', 'ztunnel'] as const
  if (resolvConf === undefined) return [start[0], start.slice(1)]
  const path = join(folder, 'resolv.conf')
  writeFileSync(path, resolvConf)
  const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
  return ['unshare', ['-m', 'sh', '-c', script, 'sh', path, ...start]]
}

/** Asks again and again until it is so; the test's own time limit ends it. */
export async function until(
  holds: () => Promise<boolean> | boolean,
  context: () => readonly string[] = () => []
): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await holds())) {
    if (performance.now() > end)
      throw new Error(`still not so after 20 s: ${holds}\n${context().slice(-20).join('\n')}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function followLines(child: ChildProcess): Pick<TestNode, 'lines' | 'line'> {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  const take = (chunk: Buffer): void => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    for (const check of [...waiting]) check()
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  child.on('exit', () => {
    for (const check of [...waiting]) check()
  })
  return {
    lines: () => lines,
    line: pattern =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.find(line => pattern.test(line))
          const ended = child.exitCode !== null
          if (found === undefined && !ended) return
          waiting.delete(check)
          if (found !== undefined) resolve(found)
          else reject(new Error(`ztunnel ended with ${child.exitCode} without ${pattern}:\n${lines.join('\n')}`))
        }
        waiting.add(check)
        check()
      })
  }
}

export async function must(netns: Netns, command: string, args: string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await run(netns, command, args, input === undefined ? {} : { input })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}
