/**
 * Certificates for tests of anything that speaks HBONE.
 *
 *     const authority = await createTestAuthority()
 *     const credential = await authority.issue('spiffe://mesh.test/ns/shop/sa/cart')
 */
export { createTestAuthority, type LeafOptions, type TestAuthority } from './test-certificates.ts'
