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
  negations: (i: number): Partial<Match> => ({
    notPrincipals: [{ kind: 'exact', value: 'td/ns/web/sa/front' }],
    notDestinationPorts: [20_000 + i]
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
