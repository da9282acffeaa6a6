import type { LogLevel } from './log-level.ts'
import { bare, type FieldList, type LogValue, quote, renderFields } from './log-value.ts'

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
  const spans = event.spans.map(({ name, fields }) => {
    const text = renderFields(fields, ' ', textField)
    return `:${name}${text === '' ? '' : `{${text}}`}`
  })
  const scope = event.target.startsWith('ztunnel::') ? event.target.slice('ztunnel::'.length) : event.target
  const head = `${timestamp(event.time)}\t${event.level}\t${scope}${spans.join('')}`
  const fields = renderFields(event.fields, ' ', textField)
  if (event.message === undefined && fields === '') return head
  const message = event.message === undefined ? '' : `${bare(event.message)}\t`
  return `${head}\t${message}${fields}`
}

function textField(name: string, value: LogValue): string {
  if (typeof value === 'string') return `${name}=${quote(value)}`
  return `${name}=${typeof value === 'object' ? bare(value.display) : value}`
}

/** Section 9: `TIME level scope message [k=v k=v]`, values bare. */
function goLine(event: LogEvent): string {
  const head = `${timestamp(event.time)}\t${event.level}\t${event.target}\t${bare(event.message ?? '')}`
  const fields = renderFields(event.fields, ' ', goField)
  return fields === '' ? head : `${head}\t${fields}`
}

const goField = (name: string, value: LogValue): string => `${name}=${bare(plain(value))}`

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
    renderFields(event.fields, ',', jsonPair),
    ...event.spans.map(({ name, fields }) => `${JSON.stringify(name)}:{${renderFields(fields, ',', jsonPair)}}`)
  ]
  return `{${pairs.filter(pair => pair !== '').join(',')}}`
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
  const second = Math.floor(microseconds / 1_000_000)
  if (second !== lastSecond) {
    lastSecond = second
    lastSecondText = new Date(second * 1_000).toISOString().slice(0, -4)
  }
  return `${lastSecondText}${String(Math.floor(microseconds) - second * 1_000_000).padStart(6, '0')}Z`
}

// Making a date is a tenth of a line's cost, and thousands of lines share a second.
let lastSecond = Number.NaN
let lastSecondText = ''
