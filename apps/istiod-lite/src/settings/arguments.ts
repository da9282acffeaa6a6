import { IstiodError } from '../errors.ts'
import { parseGoDuration } from './go-duration.ts'

/** Flags of `istiod discovery`, as Istio's chart passes them. */
export interface Arguments {
  readonly monitoringAddr: ListenAddress
  readonly httpAddr: ListenAddress
  readonly grpcAddr: ListenAddress | undefined
  readonly secureGrpcAddr: ListenAddress | undefined
  readonly logOutputLevel: string
  readonly logAsJson: boolean
  readonly domain: string
  readonly maxConnectionAgeMs: number
  readonly kubeconfig: string | undefined
  readonly meshConfig: string
  readonly clusterAliases: ReadonlySet<string>
  /** Flags of Istio that change nothing here. */
  readonly ignored: readonly string[]
}

export interface ListenAddress {
  /** Empty: every address. */
  readonly host: string
  readonly port: number
}

/** Flags that take no value unless written with `=`. */
const booleans = new Set(['log_as_json', 'log_caller', 'keepaliveTimeout', 'vklog', 'enableProfiling'])

function bad(flag: string, value: string, right: string): IstiodError {
  return new IstiodError('ISTIOD_SETTING', `--${flag}=${JSON.stringify(value)}: ${right}`)
}

/** `:15014`, `0.0.0.0:15014`, `[::1]:15014`; an empty text turns the listener off. */
function listenAddress(flag: string, value: string): ListenAddress | undefined {
  if (value === '') return undefined
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(value) ?? []
  if (port === '' || Number(port) > 65_535) throw bad(flag, value, 'should be HOST:PORT or :PORT, like :15014')
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

function required(flag: string, value: string): ListenAddress {
  const address = listenAddress(flag, value)
  if (address === undefined) throw bad(flag, value, 'should be HOST:PORT or :PORT, like :15014')
  return address
}

function duration(flag: string, value: string): number {
  const seconds = parseGoDuration(value)
  if (seconds === undefined) throw bad(flag, value, 'should be a duration like 30m or 1h30m')
  return seconds * 1000
}

function boolean(flag: string, value: string): boolean {
  if (/^(true|1|t)$/i.test(value)) return true
  if (/^(false|0|f)$/i.test(value)) return false
  throw bad(flag, value, 'should be true or false')
}

/** Splits `--name=value`, `--name value` and bare booleans. */
function flagsOf(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>()
  for (let i = 0; i < args.length; i++) {
    const text = args[i]!
    if (!text.startsWith('-')) {
      throw new IstiodError('ISTIOD_SETTING', `unexpected argument ${JSON.stringify(text)}: flags start with --`)
    }
    const [, name = '', equals, value = ''] = /^--?([^=]+)(=)?(.*)$/s.exec(text) ?? []
    if (equals !== undefined) flags.set(name, value)
    else if (booleans.has(name) || args[i + 1] === undefined || args[i + 1]!.startsWith('-')) flags.set(name, 'true')
    else flags.set(name, args[++i]!)
  }
  return flags
}

/** Reads the command line; an unknown flag is kept for a warning, a malformed known one is an error that names it. */
export function parseArguments(argv: readonly string[]): Arguments {
  const [command, ...rest] = argv[0]?.startsWith('-') === false ? argv : ['discovery', ...argv]
  if (command !== 'discovery') {
    throw new IstiodError('ISTIOD_SETTING', `unknown command ${JSON.stringify(command)}: the only one is "discovery"`)
  }
  const flags = flagsOf(rest)
  const take = (name: string, fallback: string): string => {
    const value = flags.get(name)
    flags.delete(name)
    return value ?? fallback
  }
  const kubeconfig = take('kubeconfig', '')
  const known = {
    monitoringAddr: required('monitoringAddr', take('monitoringAddr', ':15014')),
    httpAddr: required('httpAddr', take('httpAddr', ':8080')),
    grpcAddr: listenAddress('grpcAddr', take('grpcAddr', ':15010')),
    secureGrpcAddr: listenAddress('secureGRPCAddr', take('secureGRPCAddr', ':15012')),
    logOutputLevel: take('log_output_level', 'default:info'),
    logAsJson: boolean('log_as_json', take('log_as_json', 'false')),
    domain: take('domain', 'cluster.local'),
    maxConnectionAgeMs: duration('keepaliveMaxServerConnectionAge', take('keepaliveMaxServerConnectionAge', '30m')),
    kubeconfig: kubeconfig === '' ? undefined : kubeconfig,
    meshConfig: take('meshConfig', './etc/istio/config/mesh'),
    clusterAliases: new Set(take('clusterAliases', '').split(',').filter(Boolean))
  }
  return { ...known, ignored: [...flags.keys()] }
}
