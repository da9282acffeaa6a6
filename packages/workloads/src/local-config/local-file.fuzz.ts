import assert from 'node:assert/strict'
import { accepted, type FuzzTarget } from '@culvert/testing'
import { parseLocalConfig } from './local-config.ts'

const localFile = `# a mesh
workloads:
- uid: c//Pod/shop/cart-1
  name: cart-1
  namespace: shop
  workloadIps: [10.20.0.9, "fd00::9"]
  protocol: HBONE
  waypoint:
    destination: shop/wp.shop
    hboneMtlsPort: 15008
  locality: {region: r}
  services:
    shop/cart.shop:
      80: 8080
services:
  - name: cart
    namespace: shop
    hostname: cart.shop
    vips:
    - /10.96.7.3
    ports: {80: 8080}
    loadBalancer:
      mode: Failover
      routingPreferences:
        - Region
policies:
- name: p
  namespace: shop
  scope: Namespace
  action: Allow
  dryRun: false
  rules:
  - - - principals: [!Exact a/ns/b/sa/c, !Presence ]
        notSourceIps:
          - 10.0.0.0/8
        destinationPorts: [80]
`

const yamlWords = [
  ...['\n', '\n- ', '\n  ', '\n    ', ': ', '- ', '  ', '#', ' # c', '[', ']', '{', '}', ', ', '"', "'", '\t', '---\n'],
  ...['&a ', '*a', '<<: ', '!Exact ', '!Presence', '!!binary ', '!!set ', '|\n', '>-\n', '? ', '%YAML 1.1\n', '...\n'],
  ...['null', '~', 'true', '.nan', '.inf', '-1', '0x10', '010', '1e400', '2026-01-01', '__proto__', '\u2028', '\ufeff'],
  ...['workloads:', 'services:', 'policies:', 'workloadIps:', 'capacity: ', 'nativeTunnel: ', 'ipFamilies: ', '\x1b[2J']
].map(word => Buffer.from(word))

/** Taken item by item where it is in block style, and as a whole after a line that says a document begins. */
const file: FuzzTarget = {
  name: 'local-file',
  seeds: [
    localFile,
    JSON.stringify({ workloads: [], services: [] }),
    'workloads:\n- &a {}\n- *a\n',
    // An alias of nothing was no error of ours; the others came with all they hold in the message.
    'workloads:\n- *a\n',
    `workloads: ${'x'.repeat(2_000)}\n`,
    `workloads:\n- "\\e[2J${'x'.repeat(2_000)}": 1\n`,
    'workloads: [\n'
  ].map(text => Buffer.from(text)),
  words: yamlWords,
  run(input) {
    const text = input.toString()
    const read = (yaml: string) => accepted(() => parseLocalConfig(yaml), 'WORKLOADS_LOCAL_CONFIG')
    const config = read(text)
    // With directives or another document, or with a mark of the byte order, the line would mean something else.
    if (!/^(%|\ufeff|---|\.\.\.)/m.test(text)) assert.deepEqual(read(`---\n${text}`), config)
    assert.ok(read('workloads:\n- workloadIps: []\n  namespace: a\n  services: {}\n') !== undefined)
    return config !== undefined
  }
}

export const targets: readonly FuzzTarget[] = [file]
