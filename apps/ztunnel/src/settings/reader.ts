import { parseDuration, wordedDuration } from './duration.ts'
import { invalidVariable } from './errors.ts'

/** Environment variables as values; wraps process.env in main, a Map in tests. An empty string counts as set. */
export interface Environment {
  readonly get: (name: string) => string | undefined
  readonly names: () => readonly string[]
}

export interface SettingReader {
  readonly text: (name: string) => string | undefined
  /** Exactly `true` or `false`. */
  readonly boolean: (name: string) => boolean | undefined
  readonly integer: (name: string, range?: { readonly min?: number; readonly max?: number }) => number | undefined
  /** Milliseconds; by default as many as a timer bears. */
  readonly duration: (name: string, range?: { readonly min?: number; readonly max?: number }) => number | undefined
  /** Variables `<prefix><rest>`, by rest. */
  readonly withPrefix: (prefix: string) => ReadonlyMap<string, string>
}

/** What setTimeout takes, 24 days; beyond it fires at once. */
const longestTimer = 0x7fff_ffff

export function createSettingReader(environment: Environment): SettingReader {
  const parsed = <T>(name: string, expected: string, parse: (value: string) => T | undefined): T | undefined => {
    const value = environment.get(name)
    if (value === undefined) return undefined
    const result = parse(value)
    if (result === undefined) throw invalidVariable(name, value, expected)
    return result
  }
  return {
    text: environment.get,
    boolean: name => parsed(name, 'expected true or false', parseBoolean),
    integer: (name, { min = 0, max = 0xffff_ffff } = {}) =>
      parsed(name, `expected an integer between ${min} and ${max}`, value => {
        const number = /^\+?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
        return number >= min && number <= max ? number : undefined
      }),
    duration: (name, { min = 0, max = longestTimer } = {}) => {
      const example = 'expected a duration such as 1m30s, 250ms or a number of seconds'
      const value = parsed(name, example, parseDuration)
      if (value === undefined || (value >= min && value <= max)) return value
      const range = `${min === 0 ? '' : `at least ${wordedDuration(min)} and `}at most ${wordedDuration(max)}`
      throw invalidVariable(name, environment.get(name) ?? '', `expected a duration of ${range}`)
    },
    withPrefix: prefix =>
      new Map(
        environment
          .names()
          .filter(name => name.startsWith(prefix) && name.length > prefix.length)
          .sort()
          .map(name => [name.slice(prefix.length), environment.get(name) ?? ''] as const)
      )
  }
}

function parseBoolean(value: string): boolean | undefined {
  if (value === 'true') return true
  return value === 'false' ? false : undefined
}
