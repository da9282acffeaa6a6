/**
 * CPU time of one verdict among many policies: `node --conditions=source packages/authorization/bench/many-policies.ts`.
 */
import { type Authorization, createPolicyStore, emptyMatch, type Match } from '@culvert/workloads'
import { createAuthorizer } from '../src/index.ts'

type Shape = keyof typeof shapes

/** What the i-th policy demands; none of them hits the connection that is judged. */
const shapes = {
  principals: (i: number): Partial<Match> => ({ principals: [{ kind: 'exact', value: `td/ns/ns-${i}/sa/a` }] }),
  prefixes: (i: number): Partial<Match> => ({ principals: [{ kind: 'prefix', value: `td/ns/ns-${i}/` }] }),
  accounts: (i: number): Partial<Match> => ({ serviceAccounts: [{ namespace: `ns-${i}`, serviceAccount: 'a' }] }),
  namespaces: (i: number): Partial<Match> => ({ namespaces: [{ kind: 'exact', value: `ns-${i}` }] }),
  sources: (i: number): Partial<Match> => ({ sourceIps: [{ ip: `10.${i >> 8}.${i & 255}.0`, prefixLength: 24 }] }),
  ports: (i: number): Partial<Match> => ({ destinationPorts: [20_000 + i] }),
  suffixes: (i: number): Partial<Match> => ({ principals: [{ kind: 'suffix', value: `/sa/a-${i}` }] }),
  destinations: (i: number): Partial<Match> => ({
    destinationIps: [{ ip: `10.9.${i >> 8}.${i & 255}`, prefixLength: 32 }]
  }),
  /** Of every length. */
  prefixLengths: (i: number): Partial<Match> => ({
    sourceIps: [{ ip: `10.${i >> 8}.${i & 255}.0`, prefixLength: 9 + (i % 24) }],
    notDestinationIps: [{ ip: `10.9.${i >> 8}.${i & 255}`, prefixLength: 9 + (i % 24) }]
  }),
  present: (i: number): Partial<Match> => ({ principals: [{ kind: 'presence' }], destinationPorts: [20_000 + i] }),
  notPrincipals: (): Partial<Match> => ({ notPrincipals: [{ kind: 'exact', value: 'td/ns/web/sa/front' }] }),
  notPrefixes: (i: number): Partial<Match> => ({
    notPrincipals: [{ kind: 'prefix', value: `td/ns/ns-${i}/` }, { kind: 'presence' }]
  }),
  notNamespaces: (): Partial<Match> => ({ notNamespaces: [{ kind: 'exact', value: 'web' }] }),
  notSources: (i: number): Partial<Match> => ({
    notSourceIps: [
      { ip: `10.${i >> 8}.${i & 255}.0`, prefixLength: 24 },
      { ip: '172.16.0.0', prefixLength: 16 }
    ]
  }),
  notPorts: (i: number): Partial<Match> => ({ notDestinationPorts: [20_000 + i, 9_000] }),
  /** All but one clause hold. */
  nearly: (i: number): Partial<Match> => ({
    notPrincipals: [{ kind: 'exact', value: `td/ns/ns-${i}/sa/a` }],
    notDestinationPorts: [20_000 + i],
    notSourceIps: [{ ip: `10.${i >> 8}.${i & 255}.0`, prefixLength: 24 }],
    notServiceAccounts: [{ namespace: 'web', serviceAccount: 'front' }]
  })
}

/** Microseconds of CPU per verdict, with so many policies of a shape in the workload's namespace. */
function verdictMicroseconds(policies: number, shape: Shape): number {
  const store = createPolicyStore()
  const updates = Array.from({ length: policies }, (_, i): [string, Authorization] => [
    `shop/p${i}`,
    {
      name: `p${i}`,
      namespace: 'shop',
      scope: 'Namespace',
      action: 'Deny',
      dryRun: false,
      rules: [[[{ ...emptyMatch, ...shapes[shape](i) }]]]
    }
  ])
  store.apply({ updates, removals: [] })
  const authorizer = createAuthorizer(store)
  const workload = { namespace: 'shop', authorizationPolicies: [] }
  const judge = (i: number): unknown =>
    authorizer.evaluate(workload, {
      source: { ip: `172.16.0.${i & 255}` },
      destination: { ip: '10.9.0.7', port: 9000 },
      identity: { trustDomain: 'td', namespace: 'web', serviceAccount: 'front' }
    })
  const rounds = 20_000
  for (let i = 0; i < rounds; i++) judge(i)
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i++) judge(i)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / rounds
}

const none = verdictMicroseconds(0, 'principals')
console.log(`no policies: ${none.toFixed(2)} µs`)
for (const shape of Object.keys(shapes) as Shape[]) {
  const many = verdictMicroseconds(1_000, shape)
  console.log(`1,000 by ${shape}: ${many.toFixed(2)} µs, ${(many - none).toFixed(2)} more`)
}
