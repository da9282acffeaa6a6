/**
 * Short ways to say "a workload" and "a service" in tests.
 *
 *     index.apply({ updates: [workloadUpdate({ uid: 'a//Pod/shop/cart' }), serviceUpdate({ hostname: 'cart.shop' })], removals: [] })
 */
export { aService, aWorkload, ports, serviceUpdate, workloadUpdate } from './fixtures.ts'
export { type MeshSize, writeMeshFile } from './mesh-file.ts'
