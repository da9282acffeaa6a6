import { must } from './node.ts'
import type { TestPod } from './pods.ts'

/** Whom a proxy beside its workload runs as: whose connections are not redirected. */
export const proxyUser = 1337

/** What leads a pod's traffic to a proxy beside it. */
const rules = `*nat
-A OUTPUT -d 127.0.0.1/32 -j RETURN
-A OUTPUT -m owner --uid-owner ${proxyUser} -j RETURN
-A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -p tcp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -p tcp -j REDIRECT --to-ports 15001
-A PREROUTING -p tcp ! --dport 15008 -j REDIRECT --to-ports 15006
COMMIT
`

export async function redirectToSidecar({ netns }: TestPod): Promise<void> {
  await must(netns, 'iptables-restore', ['--noflush'], rules)
}
