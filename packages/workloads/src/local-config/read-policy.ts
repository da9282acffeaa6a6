import type { Authorization, Cidr, Match, ServiceAccountMatch } from '../model/authorization.ts'
import { canonicalIp } from '../model/ip.ts'
import { fields, flag, list, oneOf, portNumber, type Reader, text, wrong } from './reader.ts'
import { stringMatch } from './string-match.ts'

export function readPolicy(reader: Reader): Authorization {
  return fields(reader, ({ required }) => ({
    name: required('name', text),
    namespace: required('namespace', text),
    scope: required('scope', oneOf('Global', 'Namespace', 'WorkloadSelector')),
    action: required('action', oneOf('Allow', 'Deny')),
    dryRun: required('dryRun', flag),
    rules: required('rules', list(list(list(readMatch))))
  }))
}

function readMatch(reader: Reader): Match {
  return fields(
    reader,
    ({ optional }) => {
      const strings = (name: string) => optional(name, list(stringMatch), [])
      const accounts = (name: string) => optional(name, list(readServiceAccount), [])
      const prefixes = (name: string) => optional(name, list(readCidr), [])
      const ports = (name: string) => optional(name, list(portNumber), [])
      return {
        namespaces: strings('namespaces'),
        notNamespaces: strings('notNamespaces'),
        principals: strings('principals'),
        notPrincipals: strings('notPrincipals'),
        serviceAccounts: accounts('serviceAccounts'),
        notServiceAccounts: accounts('notServiceAccounts'),
        sourceIps: prefixes('sourceIps'),
        notSourceIps: prefixes('notSourceIps'),
        destinationIps: prefixes('destinationIps'),
        notDestinationIps: prefixes('notDestinationIps'),
        destinationPorts: ports('destinationPorts'),
        notDestinationPorts: ports('notDestinationPorts')
      }
    },
    { ignoreUnknown: true }
  )
}

const readServiceAccount = (reader: Reader): ServiceAccountMatch =>
  fields(reader, ({ required }) => ({
    namespace: required('namespace', text),
    serviceAccount: required('serviceAccount', text)
  }))

/** `IP/length`. */
export function readCidr(reader: Reader): Cidr {
  const [, address = '', length = ''] = /^([^/]+)\/([0-9]{1,3})$/.exec(text(reader)) ?? []
  const ip = canonicalIp(address)
  const prefixLength = Number(length)
  if (ip === undefined || prefixLength > (ip.includes(':') ? 128 : 32)) throw wrong(reader, 'like 10.0.0.0/8')
  return { ip, prefixLength }
}
