import type { ServicePort } from './service-ports.ts'

/** The lab's own table; the mesh's rules and whatever else a node has live beside it. */
const serviceTable = 'culvert-services'

/**
 * An nft script that replaces a node's table as one transaction: between the old and the new state there is none.
 *
 * A connection to a service's address, from a pod (prerouting) or from the node itself (output), goes to one endpoint
 * chosen at random. What still has such an address when it is to be forwarded found no endpoint and is refused.
 */
export function serviceRules(ports: readonly ServicePort[], serviceCidr: string): string {
  const served = ports.filter(({ endpoints }) => endpoints.length > 0)
  const lines = [
    // Deleting needs the table to exist.
    `table ip ${serviceTable}`,
    `delete table ip ${serviceTable}`,
    `table ip ${serviceTable} {`,
    ...served.flatMap((port, index) => [
      `  # ${port.name.replace(/[^\w./:-]/g, '?')}`,
      `  chain service-${index} {`,
      `    ${translation(port)}`,
      '  }'
    ]),
    '  chain services {',
    ...block('    ip daddr . meta l4proto . th dport vmap', served.map(vmapElement)),
    '  }',
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    '    jump services',
    '  }',
    '  chain output {',
    // dstnat (-100) is a name for prerouting only.
    '    type nat hook output priority -100; policy accept;',
    '    jump services',
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    // A pod that reached itself through a service would see its own address as the peer's and answer past the node.
    ...block('    ct status dnat ip saddr . ip daddr', hairpins(served), ' masquerade'),
    '  }',
    ...['forward', 'output'].flatMap(hook => [
      `  chain refuse-${hook} {`,
      `    type filter hook ${hook} priority filter; policy accept;`,
      `    ip daddr ${serviceCidr} reject`,
      '  }'
    ]),
    '}'
  ]
  return `${lines.join('\n')}\n`
}

function translation({ protocol, endpoints, sticky }: ServicePort): string {
  const [only] = endpoints
  if (endpoints.length === 1) return `meta l4proto ${protocol} dnat to ${only!.ip}:${only!.port}`
  const elements = endpoints.map(({ ip, port }, index) => `${index} : ${ip} . ${port}`).join(', ')
  const choice = sticky ? `jhash ip saddr mod ${endpoints.length}` : `numgen random mod ${endpoints.length}`
  return `meta l4proto ${protocol} dnat to ${choice} map { ${elements} }`
}

const vmapElement = ({ ip, protocol, port }: ServicePort, index: number): string =>
  `${ip} . ${protocol} . ${port} : goto service-${index}`

function hairpins(ports: readonly ServicePort[]): string[] {
  const ips = new Set(ports.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)))
  return [...ips].map(ip => `${ip} . ${ip}`)
}

/** nft refuses an empty set. */
function block(head: string, elements: readonly string[], tail = ''): string[] {
  return elements.length === 0 ? [] : [`${head} { ${elements.join(', ')} }${tail}`]
}
