import { parseBoolean } from '@culvert/iptables'
import ipaddr from 'ipaddr.js'
import { NodeAgentError } from '../errors.ts'

/** Wraps process.env in main; a Map in tests. */
export interface Environment {
  readonly get: (name: string) => string | undefined
}

/** Settings by their UPPER_SNAKE name; a flag of that name in lower-kebab wins, a set but empty variable counts as set. */
export interface SettingReader {
  text(name: string, fallback?: string): string
  boolean(name: string, fallback?: boolean): boolean
  integer(name: string, fallback: number): number
  /** As a file mode: octal with a leading zero, otherwise decimal as a Go integer flag takes it. */
  fileMode(name: string, fallback: number): number
  list(name: string): readonly string[]
  address(name: string, family: 'ipv4' | 'ipv6', fallback: string): string
}

export function createSettingReader(environment: Environment, flags: ReadonlyMap<string, string>): SettingReader {
  const given = (name: string): string | undefined =>
    flags.get(name.toLowerCase().replaceAll('_', '-')) ?? environment.get(name)
  const bad = (name: string, value: string, right: string): NodeAgentError =>
    new NodeAgentError('AGENT_SETTING', `${name}=${JSON.stringify(value)} is not ${right}`)

  const text: SettingReader['text'] = (name, fallback = '') => given(name) ?? fallback
  const integer: SettingReader['integer'] = (name, fallback) => {
    const value = given(name)
    if (value === undefined) return fallback
    if (value === '') return 0
    if (!/^-?[0-9]{1,9}$/.test(value)) throw bad(name, value, 'a number')
    return Number(value)
  }
  return {
    text,
    integer,
    boolean(name, fallback = false) {
      const value = given(name)
      if (value === undefined) return fallback
      if (value === '') return false
      const parsed = parseBoolean(value)
      if (parsed === undefined) throw bad(name, value, 'true or false')
      return parsed
    },
    fileMode(name, fallback) {
      const value = given(name)
      if (value !== undefined && /^0o?[0-7]{1,4}$/.test(value)) return Number.parseInt(value.replace('o', ''), 8)
      return integer(name, fallback)
    },
    list: name =>
      text(name)
        .split(',')
        .map(item => item.trim())
        .filter(item => item !== ''),
    address(name, family, fallback) {
      const value = text(name, fallback)
      if (!ipaddr.isValid(value) || value.includes('%')) throw bad(name, value, 'an IP address')
      const address = ipaddr.parse(value)
      if (address.kind() !== family) throw bad(name, value, `an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address`)
      return address.toString()
    }
  }
}
