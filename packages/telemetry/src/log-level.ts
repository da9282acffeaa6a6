/** In rising order of detail; `off` only in filters. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'
export type LogThreshold = 'off' | LogLevel

const order: readonly LogThreshold[] = ['off', 'error', 'warn', 'info', 'debug', 'trace']

/** Whether an event of `level` passes a filter set to `threshold`. */
export function passes(level: LogLevel, threshold: LogThreshold): boolean {
  return order.indexOf(level) <= order.indexOf(threshold)
}

/** Exactly one of the six lower-case words. */
export function isThreshold(text: string): text is LogThreshold {
  return (order as readonly string[]).includes(text)
}

/** The level part of `TARGET=LEVEL`: any case, 0 to 5 for off to trace, empty means error. */
export function parseDirectiveLevel(text: string): LogThreshold | undefined {
  if (text === '') return 'error'
  const lower = text.toLowerCase()
  if (isThreshold(lower)) return lower
  return /^[0-5]$/.test(text) ? order[Number(text)] : undefined
}
