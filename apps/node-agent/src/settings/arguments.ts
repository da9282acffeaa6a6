import { NodeAgentError } from '../errors.ts'

/** Flags that are not settings of docs/spec/cni.md 3.1: those of Istio's logging and its debug UI. */
const loggingFlags = ['log_output_level', 'log_as_json']
const withoutEffect = [
  'ctrlz_address',
  'ctrlz_port',
  'log_caller',
  'log_rotate',
  'log_rotate_max_age',
  'log_rotate_max_backups',
  'log_rotate_max_size',
  'log_stacktrace_level',
  'log_target',
  'vklog'
]
const bareBooleans = [
  'ambient-enabled',
  'chained-cni-plugin',
  'cni-conf-group-read',
  'enable-ambient-detection-retry',
  'istio-owned-cni-config',
  'log_as_json',
  'log_caller',
  'repair-delete-pods',
  'repair-enabled',
  'repair-label-pods',
  'skip-tls-verify',
  'vklog'
]

export interface Arguments {
  /** By flag name, `mounted-cni-net-dir` or `log_output_level`. */
  readonly flags: ReadonlyMap<string, string>
  readonly ignored: readonly string[]
}

/** Splits `--name=value`, `--name value` and bare booleans. @throws NodeAgentError for anything else. */
export function parseArguments(argv: readonly string[], settingFlags: readonly string[]): Arguments {
  const flags = new Map<string, string>()
  const ignored: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const text = argv[i]!
    const [, name = '', equals, given = ''] = /^--([^=]+)(=)?(.*)$/s.exec(text) ?? []
    if (name === '') throw new NodeAgentError('AGENT_SETTING', `unexpected argument ${JSON.stringify(text)}`)
    const hasEffect = settingFlags.includes(name) || loggingFlags.includes(name)
    if (!hasEffect && !withoutEffect.includes(name)) {
      throw new NodeAgentError('AGENT_SETTING', `unknown flag: --${name}`)
    }
    const value = equals !== undefined ? given : bareBooleans.includes(name) ? 'true' : argv[++i]
    if (value === undefined) throw new NodeAgentError('AGENT_SETTING', `flag needs a value: --${name}`)
    if (hasEffect) flags.set(name, value)
    else ignored.push(name)
  }
  return { flags, ignored }
}
