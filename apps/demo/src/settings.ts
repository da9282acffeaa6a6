export interface Settings {
  /** Leave the cluster running at the end. */
  readonly keep: boolean
}

export const usage = `npm run demo [-- --keep]

  --keep   leave the cluster running and print its kubeconfig, ports and commands to try`

/** @throws Error naming the argument that is unknown. */
export function readSettings(args: readonly string[]): Settings | 'help' {
  if (args.includes('--help') || args.includes('-h')) return 'help'
  const unknown = args.find(arg => arg !== '--keep')
  if (unknown !== undefined) throw new Error(`unknown argument '${unknown}'\n\n${usage}`)
  return { keep: args.includes('--keep') }
}
