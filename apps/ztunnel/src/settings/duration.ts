/** Milliseconds per unit. */
const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  nsec: 1e-6,
  us: 1e-3,
  usec: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  msec: 1,
  s: 1e3,
  sec: 1e3,
  secs: 1e3,
  second: 1e3,
  seconds: 1e3,
  m: 60e3,
  min: 60e3,
  mins: 60e3,
  minute: 60e3,
  minutes: 60e3,
  h: 3_600e3,
  hr: 3_600e3,
  hrs: 3_600e3,
  hour: 3_600e3,
  hours: 3_600e3,
  d: 86_400e3,
  day: 86_400e3,
  days: 86_400e3,
  w: 604_800e3,
  week: 604_800e3,
  weeks: 604_800e3
}

/** `1m30s`, `250ms`; a bare number is seconds (docs/spec/zds.md 5). Milliseconds; undefined when it cannot be read. */
export function parseDuration(text: string): number | undefined {
  const whole = text.trim()
  if (/^\d+(\.\d+)?$/.test(whole)) return Number(whole) * 1e3
  if (!/^(\d+(\.\d+)?\s*\p{L}+\s*)+$/u.test(whole)) return undefined
  let total = 0
  for (const [, number, unit = ''] of whole.matchAll(/(\d+(?:\.\d+)?)\s*(\p{L}+)/gu)) {
    const size = units[unit]
    if (size === undefined) return undefined
    total += Number(number) * size
  }
  return total
}

/** In the largest unit that leaves no part of a second away: for messages. */
export function wordedDuration(milliseconds: number): string {
  if (milliseconds >= 86_400e3) return `${Math.floor(milliseconds / 86_400e3)}d`
  return milliseconds % 1e3 === 0 ? `${milliseconds / 1e3}s` : `${milliseconds}ms`
}
