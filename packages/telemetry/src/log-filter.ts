import { TelemetryError } from './errors.ts'
import { isThreshold, type LogThreshold, parseDirectiveLevel } from './log-level.ts'

/** Which events are written. `toString` is the canonical form that `/logging` shows. */
export interface LogFilter {
  readonly threshold: (target: string) => LogThreshold
  readonly toString: () => string
}

/** Directives by target; the empty target is the bare level. */
type Directives = ReadonlyMap<string, LogThreshold>

/** A filter in ztunnel's form (docs/spec/observability-dns.md 2.3), which can take on further directives. */
export interface DirectiveFilter extends LogFilter {
  /** A directive for the same target, or the bare level, replaces the old one; the others stay. */
  readonly append: (text: string) => DirectiveFilter
}

/**
 * Reads a comma list of `LEVEL`, `TARGET=LEVEL` or `TARGET` (everything of it). Targets match by string prefix,
 * the longest wins; without a bare level, what no target matches is off.
 */
export function parseLogFilter(text: string): DirectiveFilter {
  return directiveFilter(parseDirectives(text))
}

/** Whether the runtime API takes `text`: stricter than the start-up form, a bare target is refused there. */
export function isRuntimeLevel(text: string): boolean {
  return text.split(',').every(clause => {
    if (isThreshold(clause)) return true
    const parts = clause.split('=')
    return parts.length === 2 && parseDirectiveLevel(parts[1] ?? '') !== undefined
  })
}

function parseDirectives(text: string): Directives {
  const directives = new Map<string, LogThreshold>()
  for (const clause of text.split(',').map(part => part.trim())) {
    if (clause === '') continue
    const parts = clause.split('=')
    if (parts.length === 1) {
      const bare = parseDirectiveLevel(clause)
      if (bare === undefined) directives.set(clause, 'trace')
      else directives.set('', bare)
      continue
    }
    const level = parts.length === 2 ? parseDirectiveLevel((parts[1] ?? '').trim()) : undefined
    if (level === undefined) {
      throw new TelemetryError(
        'TELEMETRY_BAD_FILTER',
        `log filter ${JSON.stringify(clause)} is not LEVEL or TARGET=LEVEL with off, error, warn, info, debug or trace`
      )
    }
    directives.set((parts[0] ?? '').trim(), level)
  }
  return directives
}

function directiveFilter(directives: Directives): DirectiveFilter {
  // Longer targets first, equal lengths in reverse alphabetical order: the first match is the longest.
  const sorted = [...directives].sort(([a], [b]) => b.length - a.length || (a < b ? 1 : -1))
  return {
    threshold: target => sorted.find(([prefix]) => target.startsWith(prefix))?.[1] ?? 'off',
    append: text => directiveFilter(new Map([...directives, ...parseDirectives(text)])),
    toString: () => sorted.map(([target, level]) => (target === '' ? level : `${target}=${level}`)).join(',')
  }
}

/**
 * Reads `--log_output_level` of the Go components: a comma list of `LEVEL` or `SCOPE:LEVEL`, scopes by exact name,
 * `default` and `all` for the rest. Levels: none, fatal, error, warn, info, debug.
 */
export function parseScopeLevels(text: string): LogFilter {
  const levels = new Map<string, LogThreshold>()
  let fallback: LogThreshold = 'info'
  for (const clause of text.split(',').map(part => part.trim())) {
    if (clause === '') continue
    const colon = clause.lastIndexOf(':')
    const scope = colon === -1 ? 'default' : clause.slice(0, colon)
    const level = scopeLevels.get(clause.slice(colon + 1).toLowerCase())
    if (level === undefined || scope === '') {
      throw new TelemetryError(
        'TELEMETRY_BAD_FILTER',
        `log level ${JSON.stringify(clause)} is not SCOPE:LEVEL with none, fatal, error, warn, info or debug`
      )
    }
    if (scope === 'default' || scope === 'all') fallback = level
    else levels.set(scope, level)
  }
  return {
    threshold: scope => levels.get(scope) ?? fallback,
    toString: () => [...levels, ['default', fallback] as const].map(([scope, level]) => `${scope}:${level}`).join(',')
  }
}

const scopeLevels: ReadonlyMap<string, LogThreshold> = new Map([
  ['none', 'off'],
  ['fatal', 'off'],
  ['error', 'error'],
  ['warn', 'warn'],
  ['info', 'info'],
  ['debug', 'debug']
])
