import { type Address, formatAddress } from './address.ts'

/** `for="10.0.0.1:4000";host=stock.shop.svc`: the application's address and the service it called (docs/spec/hbone.md 1.3). */
export function formatForwarded(application: Address, serviceHost?: string): string {
  const address = `for="${formatAddress(application)}"`
  return serviceHost ? `${address};host=${serviceHost}` : address
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII is exactly this range
const ASCII = /^[\x00-\x7f]*$/

/** The host of a `forwarded` header. Only its first line counts, only ASCII, only a lower-case `host=`. */
export function parseForwardedHost(lines: readonly string[]): string | undefined {
  const line = lines[0]
  if (line === undefined || !ASCII.test(line)) return undefined
  const part = line
    .split(';')
    .map(text => text.trim())
    .find(text => text.startsWith('host='))
  const host = part === undefined ? '' : unquoted(part.slice('host='.length))
  return host === '' ? undefined : host
}

/** No expression: one looks for the quotes at the end from every quote on, and 60 kB of them take it 15 seconds. */
function unquoted(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && text[start] === '"') start++
  while (end > start && text[end - 1] === '"') end--
  return text.slice(start, end)
}
