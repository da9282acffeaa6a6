import type { LogLevel } from './log-level.ts'
import { bare, type FieldList, type LogValue, quote } from './log-value.ts'

export interface Span {
  readonly name: string
  readonly fields: FieldList
}

export interface LogEvent {
  /** Microseconds since the epoch. */
  readonly time: number
  readonly level: LogLevel
  readonly target: string
  readonly message: string | undefined
  readonly fields: FieldList
  /** Outermost first. */
  readonly spans: readonly Span[]
}

/** Without the newline. */
export type LineFormat = (event: LogEvent) => string

export type LogStyle = 'ztunnel' | 'go'

export function lineFormat(style: LogStyle, json: boolean): LineFormat {
  if (style === 'ztunnel') return json ? event => jsonLine(event, 'message') : ztunnelLine
  return json ? event => jsonLine(event, 'msg') : goLine
}

/** docs/spec/observability-dns.md 2.1; a line with a message and no field ends in a TAB. */
function ztunnelLine(event: LogEvent): string {
  const spans = event.spans.map(({ name, fields }) => `:${name}${fields.length > 0 ? `{${textFields(fields)}}` : ''}`)
  const scope = event.target.startsWith('ztunnel::') ? event.target.slice('ztunnel::'.length) : event.target
  const head = `${timestamp(event.time)}\t${event.level}\t${scope}${spans.join('')}`
  if (event.message === undefined && event.fields.length === 0) return head
  const message = event.message === undefined ? '' : `${bare(event.message)}\t`
  return `${head}\t${message}${textFields(event.fields)}`
}

function textFields(fields: FieldList): string {
  return fields.map(([name, value]) => `${name}=${textValue(value)}`).join(' ')
}

function textValue(value: LogValue): string {
  if (typeof value === 'string') return quote(value)
  return typeof value === 'object' ? bare(value.display) : String(value)
}

/** Section 9: `TIME level scope message [k=v k=v]`, values bare. */
function goLine(event: LogEvent): string {
  const head = `${timestamp(event.time)}\t${event.level}\t${event.target}\t${bare(event.message ?? '')}`
  if (event.fields.length === 0) return head
  const fields = event.fields.map(([name, value]) => `${name}=${bare(plain(value))}`)
  return `${head}\t${fields.join(' ')}`
}

function plain(value: LogValue): string {
  return typeof value === 'object' ? value.display : String(value)
}

/** Key order and types of 2.2; dotted names stay flat keys. */
function jsonLine(event: LogEvent, messageKey: 'message' | 'msg'): string {
  const pairs = [
    jsonPair('level', event.level),
    jsonPair('time', timestamp(event.time)),
    jsonPair('scope', event.target),
    ...(event.message === undefined ? [] : [jsonPair(messageKey, event.message)]),
    ...event.fields.map(([name, value]) => jsonPair(name, value)),
    ...event.spans.map(({ name, fields }) => {
      const inner = fields.map(([field, value]) => jsonPair(field, value))
      return `${JSON.stringify(name)}:{${inner.join(',')}}`
    })
  ]
  return `{${pairs.join(',')}}`
}

function jsonPair(name: string, value: LogValue): string {
  return `${JSON.stringify(name)}:${jsonValue(value)}`
}

function jsonValue(value: LogValue): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'object') return JSON.stringify(value.display)
  return typeof value === 'number' && !Number.isFinite(value) ? `"${value}"` : JSON.stringify(value)
}

/** UTC with six fractional digits, truncated. */
export function timestamp(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000)
  const rest = Math.floor(microseconds) - milliseconds * 1000
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`
}
