import type { LogFilter } from './log-filter.ts'
import { type LogLevel, type LogThreshold, passes } from './log-level.ts'
import { type LogStyle, lineFormat, type Span } from './log-line.ts'
import { fieldList, type LogFields } from './log-value.ts'

export type LogCall = (message: string | undefined, fields?: LogFields) => void

export interface Logger {
  readonly target: string
  /** For events that are costly to build. */
  readonly enabled: (level: LogLevel) => boolean
  readonly log: (level: LogLevel, message: string | undefined, fields?: LogFields) => void
  readonly error: LogCall
  readonly warn: LogCall
  readonly info: LogCall
  readonly debug: LogCall
  readonly trace: LogCall
  /** The same target inside one more span. */
  readonly span: (name: string, fields?: LogFields) => Logger
}

export interface Log {
  /** `target` is the full name: `access`, `dns`, `ztunnel::state`; for the Go style the scope. */
  readonly scope: (target: string) => Logger
  readonly filter: () => LogFilter
  readonly setFilter: (filter: LogFilter) => void
}

export interface LogOptions {
  readonly style: LogStyle
  readonly json: boolean
  readonly filter: LogFilter
  /** Gets whole lines, newline included. */
  readonly write: (line: string) => void
  /** Microseconds since the epoch. */
  readonly clock?: () => number
}

export function createLog(options: LogOptions): Log {
  const format = lineFormat(options.style, options.json)
  const clock = options.clock ?? wallClock()
  let filter = options.filter
  const thresholds = new Map<string, LogThreshold>()

  const enabled = (target: string, level: LogLevel): boolean => {
    let threshold = thresholds.get(target)
    if (threshold === undefined) {
      threshold = filter.threshold(target)
      thresholds.set(target, threshold)
    }
    return passes(level, threshold)
  }

  const logger = (target: string, spans: readonly Span[]): Logger => {
    const log: Logger['log'] = (level, message, fields) => {
      if (!enabled(target, level)) return
      options.write(`${format({ time: clock(), level, target, message, fields: fieldList(fields), spans })}\n`)
    }
    return {
      target,
      enabled: level => enabled(target, level),
      log,
      error: (message, fields) => log('error', message, fields),
      warn: (message, fields) => log('warn', message, fields),
      info: (message, fields) => log('info', message, fields),
      debug: (message, fields) => log('debug', message, fields),
      trace: (message, fields) => log('trace', message, fields),
      span: (name, fields) => logger(target, [...spans, { name, fields: fieldList(fields) }])
    }
  }

  return {
    scope: target => logger(target, []),
    filter: () => filter,
    setFilter: changed => {
      filter = changed
      thresholds.clear()
    }
  }
}

/** Microseconds from the monotonic clock, set again whenever the wall clock has moved away from it. */
function wallClock(): () => number {
  let offset = performance.timeOrigin
  return () => {
    const now = Date.now()
    const precise = offset + performance.now()
    if (Math.abs(precise - now) < 5) return precise * 1000
    offset = now - performance.now()
    return now * 1000
  }
}
