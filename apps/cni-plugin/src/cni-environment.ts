import { CniError, cniErrorCodes } from './cni-error.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What the runtime passes in the environment (docs/spec/cni.md 2.1). */
export interface CniEnvironment {
  readonly command: string
  readonly netns: string
  readonly args: string
  /** CNI_NETNS_OVERRIDE: the plugin may be asked to work on its own namespace. */
  readonly ownNetnsAllowed: boolean
}

/** The order in which they are checked, and the commands that need them. */
const variables: { name: string; requiredBy: readonly string[]; check?: (value: string) => string | undefined }[] = [
  { name: 'CNI_COMMAND', requiredBy: [] },
  { name: 'CNI_CONTAINERID', requiredBy: ['ADD', 'CHECK', 'DEL'], check: checkContainerId },
  { name: 'CNI_NETNS', requiredBy: ['ADD', 'CHECK'] },
  { name: 'CNI_IFNAME', requiredBy: ['ADD', 'CHECK', 'DEL'], check: checkInterfaceName },
  { name: 'CNI_PATH', requiredBy: ['ADD', 'CHECK', 'DEL', 'GC', 'STATUS'] }
]

/** The characters of network names and container ids. */
export const namePattern: RegExp = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

export function readEnvironment(env: Environment): CniEnvironment {
  const command = env.CNI_COMMAND ?? ''
  const missing: string[] = []
  for (const { name, requiredBy, check } of variables) {
    if (!requiredBy.includes(command)) continue
    const value = env[name] ?? ''
    if (value === '') {
      missing.push(name)
      continue
    }
    const problem = check?.(value)
    if (problem !== undefined) throw new CniError(cniErrorCodes.badEnvironment, problem, `${name}=${value}`)
  }
  if (missing.length > 0) {
    throw new CniError(cniErrorCodes.badEnvironment, `required env variables [${missing.join(',')}] missing`)
  }
  return {
    command,
    netns: env.CNI_NETNS ?? '',
    args: env.CNI_ARGS ?? '',
    ownNetnsAllowed: ['1', 'true'].includes((env.CNI_NETNS_OVERRIDE ?? '').toLowerCase())
  }
}

function checkContainerId(id: string): string | undefined {
  return namePattern.test(id) ? undefined : 'invalid characters in containerID'
}

function checkInterfaceName(name: string): string | undefined {
  // IFNAMSIZ is 16 with the final zero byte.
  if (Buffer.byteLength(name) > 15) return 'interface name is too long'
  if (name === '.' || name === '..') return 'interface name is . or ..'
  return /[/:\s]/.test(name) ? 'interface name contains / or : or whitespace characters' : undefined
}
