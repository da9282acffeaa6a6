import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { BenchError } from './errors.ts'

export interface Settings {
  /** Names of the cases, in no order; empty: all. */
  readonly cases: readonly string[]
  readonly runs: number
  /** How long each load runs. */
  readonly seconds: number
  /** A run of which the host stole a larger share of the processors' time is made again, 0 to 1. */
  readonly maxStolen: number
  readonly quick: boolean
  /** The executable to compare with. */
  readonly peer: string | undefined
  /** Also measures without a mesh. */
  readonly direct: boolean
  /** Discovery from a file and a test authority instead of the control plane. */
  readonly local: boolean
  /** Of every socket; undefined: what the machine has. */
  readonly congestionControl: string | undefined
  /** Files to write. */
  readonly json: string | undefined
  readonly html: string | undefined
}

export const usage = (cases: readonly string[]): string => `npm run bench -- [CASE …] [OPTION …]

  CASE           ${cases.join(', ')}; all of them if none is named
  --peer PATH    another ztunnel, in turn with ours: figures come with their ratios
  --direct       also without a mesh: what the machine and the load programs could do
  --local        discovery from a local file, FAKE_CA=true; upstream's needs a build with its feature 'testing'
  --reno         Reno on every socket instead of the machine's congestion control
  --runs N       5 if not given
  --seconds N    how long each load runs; 5 if not given
  --max-stolen P a run of which the machine's host stole more than P per cent is made again, at most four times
  --quick        one run of one second each: shows that it works, not how fast
  --json FILE    writes every value of every run
  --html FILE    writes a page with plots`

const flags = {
  peer: { type: 'string' },
  direct: { type: 'boolean', default: false },
  local: { type: 'boolean', default: false },
  reno: { type: 'boolean', default: false },
  runs: { type: 'string' },
  seconds: { type: 'string' },
  'max-stolen': { type: 'string' },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  html: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false }
} as const

/** @throws BenchError BENCH_SETTING naming what is wrong. */
export function readSettings(args: readonly string[], known: readonly string[]): Settings | 'help' {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (cause) {
    throw new BenchError('BENCH_SETTING', `${(cause as Error).message}\n\n${usage(known)}`, { cause })
  }
  const { values, positionals } = parsed
  if (values.help) return 'help'
  const unknown = positionals.find(name => !known.includes(name))
  if (unknown !== undefined) throw new BenchError('BENCH_SETTING', `unknown case '${unknown}'\n\n${usage(known)}`)
  return {
    cases: positionals,
    runs: whole('--runs', values.runs, values.quick ? 1 : 5),
    seconds: whole('--seconds', values.seconds, values.quick ? 1 : 5),
    maxStolen: whole('--max-stolen', values['max-stolen'], 100) / 100,
    quick: values.quick,
    peer: values.peer === undefined ? undefined : executable(values.peer),
    direct: values.direct,
    local: values.local,
    congestionControl: values.reno ? 'reno' : undefined,
    json: values.json,
    html: values.html
  }
}

const parse = (args: readonly string[]) => parseArgs({ args: [...args], options: flags, allowPositionals: true })

function whole(name: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard
  if (!/^[1-9]\d{0,2}$/.test(text)) {
    throw new BenchError('BENCH_SETTING', `${name} is '${text}'; a whole number from 1 to 999 is needed`)
  }
  return Number(text)
}

function executable(file: string): string {
  try {
    accessSync(file, constants.X_OK)
    if (!statSync(file).isFile()) throw new Error('not a file')
  } catch (cause) {
    throw new BenchError('BENCH_SETTING', `--peer ${file}: not an executable file`, { cause })
  }
  return path.resolve(file)
}
