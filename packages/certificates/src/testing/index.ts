/**
 * A SPIRE agent on a socket of the test's, whose answers the test gives; revocation lists.
 *
 *     const agent = await startTestSpireAgent('/tmp/x/admin.sock')
 *     agent.set('k8s:sa:cart', [await (await createTestTrustDomain('acme.test')).svid('/ns/shop/sa/cart')])
 */
export { createRevocationList } from './revocation-list.ts'
export { createTestTrustDomain, startTestSpireAgent, type TestSpireAgent, type TestTrustDomain } from './spire-agent.ts'
