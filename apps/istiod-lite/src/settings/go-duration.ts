const unitSeconds: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600
}

/** A Go duration such as `24h`, `1h30m`, `100ms`, `-1s`; in seconds. Undefined: it is none. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = '', body = ''] = /^([+-]?)(.+)$/.exec(text) ?? []
  if (body === '0') return 0
  let seconds = 0
  let rest = body
  while (rest !== '') {
    const [whole, digits, unit] = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/.exec(rest) ?? []
    if (whole === undefined || unit === undefined) return undefined
    seconds += Number(digits) * unitSeconds[unit]!
    rest = rest.slice(whole.length)
  }
  if (body === '') return undefined
  return sign === '-' ? -seconds : seconds
}
