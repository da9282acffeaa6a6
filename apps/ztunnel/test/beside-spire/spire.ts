import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNetns, inNetns, type Netns, run } from '@culvert/netns'
import { must, until } from '../node.ts'

/** A folder with spire-server and spire-agent. */
export const spirePrograms: string | undefined = process.env.CULVERT_PEER_SPIRE

/** SPIRE's server and agent of the trust domain cluster.local, in a namespace of their own. */
export interface Spire extends AsyncDisposable {
  readonly workloadSocket: string
  readonly adminSocket: string
  /** Who has all these selectors gets this SPIFFE id; its entry's id. */
  readonly register: (entry: {
    readonly id: string
    readonly selectors: readonly string[]
    /** Seconds. */
    readonly ttl?: number
  }) => Promise<string>
  /** A command of spire-server; what it says, as JSON. */
  readonly server: (...args: readonly string[]) => Promise<unknown>
  readonly restartAgent: () => Promise<void>
  /** What both wrote. */
  readonly lines: () => readonly string[]
}

/** @param options.delegate the id that may ask for others; every process of ours has it. */
export async function startSpire({ delegate }: { readonly delegate: string }): Promise<Spire> {
  const stack = new AsyncDisposableStack()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'culvert-spire-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const netns = createNetns()
    stack.defer(() => netns.close())
    await must(netns, 'ip', ['link', 'set', 'lo', 'up'])
    const at = (...path: string[]): string => join(folder, ...path)
    for (const name of ['server', 'agent', 'public', 'admin']) mkdirSync(at(name))
    const lines: string[] = []

    writeFileSync(at('server.conf'), serverConfiguration(at))
    const running = start(netns, 'spire-server', ['run', '-config', at('server.conf')], lines)
    stack.defer(() => end(running))
    const command = async (...args: readonly string[]): Promise<string> =>
      await must(netns, join(spirePrograms!, 'spire-server'), [...args, '-socketPath', at('server.sock')])
    const healthy = async (program: string, socket: string): Promise<boolean> =>
      (await run(netns, join(spirePrograms!, program), ['healthcheck', '-socketPath', socket])).code === 0
    await until(
      () => healthy('spire-server', at('server.sock')),
      () => lines
    )
    const server = async (...args: readonly string[]): Promise<unknown> =>
      JSON.parse(await command(...args, '-output', 'json'))

    writeFileSync(at('bundle.pem'), await command('bundle', 'show'))
    const { value: token } = (await server('token', 'generate', '-ttl', '600')) as { readonly value: string }
    writeFileSync(at('agent.conf'), agentConfiguration(at, { token, delegate }))
    let agent: ChildProcess | undefined
    stack.defer(() => end(agent))
    const startAgent = async (): Promise<void> => {
      agent = start(netns, 'spire-agent', ['run', '-config', at('agent.conf')], lines)
      await until(
        () => healthy('spire-agent', at('public', 'api.sock')),
        () => lines
      )
    }
    await startAgent()

    const register: Spire['register'] = async ({ id, selectors, ttl }) => {
      const { results } = (await server(
        'entry',
        'create',
        '-parentID',
        `spiffe://cluster.local/spire/agent/join_token/${token}`,
        '-spiffeID',
        id,
        ...selectors.flatMap(selector => ['-selector', selector]),
        ...(ttl === undefined ? [] : ['-x509SVIDTTL', String(ttl)])
      )) as { readonly results: readonly { readonly entry: { readonly id: string } }[] }
      return results[0]!.entry.id
    }
    await register({ id: delegate, selectors: [`unix:uid:${process.getuid!()}`] })
    const disposal = stack.move()
    return {
      workloadSocket: at('public', 'api.sock'),
      adminSocket: at('admin', 'api.sock'),
      register,
      server,
      restartAgent: async () => {
        await end(agent)
        await startAgent()
      },
      lines: () => lines,
      [Symbol.asyncDispose]: () => disposal.disposeAsync()
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function start(netns: Netns, program: string, args: readonly string[], lines: string[]): ChildProcess {
  const command = ['--pdeathsig', 'KILL', '--', join(spirePrograms!, program), ...args]
  const child = inNetns(netns, () => spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] }))
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trimEnd().split('\n')))
  }
  return child
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const serverConfiguration = (at: (...path: string[]) => string): string => `
server {
  bind_address = "127.0.0.1"
  bind_port = "8081"
  socket_path = "${at('server.sock')}"
  trust_domain = "cluster.local"
  data_dir = "${at('server')}"
  log_level = "INFO"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${at('server', 'data.sqlite3')}" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
`

const agentConfiguration = (
  at: (...path: string[]) => string,
  { token, delegate }: { readonly token: string; readonly delegate: string }
): string => `
agent {
  server_address = "127.0.0.1"
  server_port = "8081"
  trust_bundle_path = "${at('bundle.pem')}"
  trust_domain = "cluster.local"
  join_token = "${token}"
  data_dir = "${at('agent')}"
  socket_path = "${at('public', 'api.sock')}"
  admin_socket_path = "${at('admin', 'api.sock')}"
  authorized_delegates = ["${delegate}"]
  log_level = "INFO"
  experimental { sync_interval = "1s" }
}
plugins {
  KeyManager "disk" { plugin_data { directory = "${at('agent')}" } }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`
