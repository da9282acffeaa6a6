import fs from 'node:fs'
import path from 'node:path'
import { LabError, reasonOf } from '../errors.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { runCommand, systemPath } from '../machine/run-command.ts'
import type { LabNode } from '../node/node.ts'
import {
  type CniCall,
  type CniConfig,
  chooseConfigFile,
  cniEnvironment,
  type CniPluginConfig,
  parseCniConfig,
  pluginInput,
  resultAddresses
} from './cni-config.ts'

/** What an ADD left for its DEL: the configuration of that time, which may have changed on disk since. */
export interface CniAttachment {
  readonly config: CniConfig
  readonly result: unknown
  readonly addresses: readonly string[]
}

export interface CniChain {
  /** Runs the chain; a plugin that fails makes the whole fail, and DEL must be called all the same. */
  add(sandbox: CniSandbox): Promise<CniAttachment>
  /** Runs every plugin in reverse order; failures are collected, since each plugin may have something to let go. */
  remove(sandbox: CniSandbox, attachment: CniAttachment | undefined): Promise<void>
}

export type CniSandbox = Omit<CniCall, 'command' | 'path'>

const confDirectory = '/etc/cni/net.d'
const pluginDirectories = ['/opt/cni/bin', '/usr/lib/cni']

/** As long as a container runtime lets a whole pod's sandbox take. */
const pluginTimeout = 120_000

/** Runs the node's CNI configuration, read from its disk for each pod, by executing the plugins in the node. */
export function createCniChain(node: LabNode): CniChain {
  const load = (): CniConfig => {
    const file = chooseConfigFile(fs.readdirSync(node.path(confDirectory)))
    if (file === undefined) throw new LabError('LAB_CNI', `${node.name}: no network configuration in ${confDirectory}`)
    return parseCniConfig(fs.readFileSync(node.path(path.join(confDirectory, file)), 'utf8'), file)
  }

  const execute = async (plugin: CniPluginConfig, call: CniCall, input: string): Promise<string> => {
    const executable = findPlugin(node, plugin.type)
    const { code, stdout, stderr } = await runCommand(enter(node.pid, allNamespaces, [executable]), {
      input,
      env: { ...cniEnvironment(call), PATH: systemPath },
      timeout: pluginTimeout
    })
    if (code === 0) return stdout
    throw new LabError(
      'LAB_CNI',
      `plugin type="${plugin.type}" failed (${call.command.toLowerCase()}): ${said(stdout, stderr, code)}`
    )
  }

  return {
    add: async sandbox => {
      const config = load()
      const call: CniCall = { ...sandbox, command: 'ADD', path: pluginDirectories }
      let result: unknown
      for (const plugin of config.plugins) {
        const stdout = await execute(plugin, call, pluginInput(config, plugin, result))
        result = parseResult(stdout, plugin.type)
      }
      return { config, result, addresses: resultAddresses(result) }
    },
    remove: async (sandbox, attachment) => {
      const config = attachment?.config ?? load()
      const call: CniCall = { ...sandbox, command: 'DEL', path: pluginDirectories }
      const failures: string[] = []
      for (const plugin of [...config.plugins].reverse()) {
        try {
          await execute(plugin, call, pluginInput(config, plugin, attachment?.result))
        } catch (error) {
          failures.push(reasonOf(error))
        }
      }
      if (failures.length > 0) throw new LabError('LAB_CNI', failures.join('; '))
    }
  }
}

/** In the node's own order; the file names come from the node's disk, so they are looked up there. */
function findPlugin(node: LabNode, type: string): string {
  for (const directory of pluginDirectories) {
    const file = path.join(directory, type)
    if (fs.existsSync(node.path(file))) return file
  }
  throw new LabError('LAB_CNI', `failed to find plugin "${type}" in path [${pluginDirectories.join(' ')}]`)
}

function parseResult(stdout: string, type: string): unknown {
  try {
    return JSON.parse(stdout)
  } catch (error) {
    throw new LabError('LAB_CNI', `plugin type="${type}" printed no JSON result: ${reasonOf(error)}`, { cause: error })
  }
}

/** The plugin's error object on stdout; a plugin that crashed before printing one has only stderr. */
function said(stdout: string, stderr: string, code: number): string {
  try {
    const { msg, details } = JSON.parse(stdout) as { msg?: unknown; details?: unknown }
    if (typeof msg === 'string') return typeof details === 'string' && details !== '' ? `${msg}; ${details}` : msg
  } catch {
    // no error object: what follows says what there is
  }
  return `exit status ${code}: ${(stderr.trim() || stdout.trim() || 'no output').slice(0, 1000)}`
}
