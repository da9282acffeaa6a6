export interface EnterOptions {
  readonly mount?: boolean
  readonly pid?: boolean
  readonly uts?: boolean
  readonly ipc?: boolean
  /** true: the network namespace of the process; a path: that file, as the machine sees it. */
  readonly net?: boolean | string
}

/** The nsenter command line that runs `command` in namespaces of the process. */
export function enter(target: number, options: EnterOptions, command: readonly string[]): string[] {
  const flags: string[] = []
  if (options.mount) flags.push('--mount')
  if (options.uts) flags.push('--uts')
  if (options.ipc) flags.push('--ipc')
  if (options.pid) flags.push('--pid')
  if (options.net === true) flags.push('--net')
  else if (typeof options.net === 'string') flags.push(`--net=${options.net}`)
  return ['nsenter', `--target=${target}`, ...flags, '--', ...command]
}

/** Everything a node or container has of its own. */
export const allNamespaces: EnterOptions = { mount: true, pid: true, uts: true, ipc: true, net: true }
