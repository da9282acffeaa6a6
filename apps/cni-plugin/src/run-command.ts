import fs from 'node:fs'
import { type CniEnvironment, type Environment, readEnvironment } from './cni-environment.ts'
import { CniError, cniErrorCodes, reasonOf, renderError, toCniError } from './cni-error.ts'
import { about, requireSupported, requireVerb, versionReport } from './cni-version.ts'
import { type ConfigHead, readConfigHead } from './network-config.ts'

/** What the process has to offer; tests bring their own. */
export interface CniProcess {
  readonly env: Environment
  readonly pluginVersion: string
  readonly readInput: () => string
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
}

/** Does what CNI_COMMAND says (docs/spec/cni.md 2.1); resolves with the exit status. */
export async function runCommand(io: CniProcess): Promise<number> {
  try {
    if (!io.env.CNI_COMMAND) {
      io.stderr(about(io.pluginVersion))
      return 0
    }
    await dispatch(io, readEnvironment(io.env))
    return 0
  } catch (error) {
    io.stdout(renderError(toCniError(error)))
    return 1
  }
}

async function dispatch(io: CniProcess, environment: CniEnvironment): Promise<void> {
  const { command } = environment
  if (command === 'VERSION') return io.stdout(versionReport())
  const head = readConfigHead(readInput(io))
  switch (command) {
    case 'ADD': {
      requireSupported(head.cniVersion)
      io.stdout(await loadAndAdd(io, environment, head))
      return refuseOwnNamespace(environment)
    }
    case 'DEL':
      // Nothing to undo: the node agent learns of a pod's end from Kubernetes.
      requireSupported(head.cniVersion)
      return refuseOwnNamespace(environment)
    case 'CHECK':
      return requireVerb(command, head.cniVersion, '0.4.0')
    case 'GC':
    case 'STATUS':
      return requireVerb(command, head.cniVersion, '1.1.0')
    default:
      throw new CniError(cniErrorCodes.badEnvironment, `unknown CNI_COMMAND: ${command}`)
  }
}

async function loadAndAdd(io: CniProcess, environment: CniEnvironment, head: ConfigHead): Promise<string> {
  const { add } = await import('./add.ts')
  return await add({ environment, head, stderr: io.stderr })
}

function readInput(io: CniProcess): string {
  try {
    return io.readInput()
  } catch (error) {
    throw new CniError(cniErrorCodes.unreadableInput, `error reading from stdin: ${reasonOf(error)}`)
  }
}

/** A runtime that hands the plugin its own namespace has mixed something up. */
function refuseOwnNamespace({ netns, ownNetnsAllowed }: CniEnvironment): void {
  if (ownNetnsAllowed || netns === '') return
  let other: fs.BigIntStats
  try {
    other = fs.statSync(netns, { bigint: true })
  } catch {
    return
  }
  const own = fs.statSync('/proc/self/ns/net', { bigint: true })
  if (own.ino !== other.ino || own.dev !== other.dev) return
  throw new CniError(cniErrorCodes.ownNamespace, "plugin's netns and netns from CNI_NETNS should not be the same")
}
