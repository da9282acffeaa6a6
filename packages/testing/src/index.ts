/**
 * What tests of several packages share: random choices that can be repeated, inputs that nobody would send, and skipping
 * what needs root.
 *
 *     const random = new Random(1)
 *     const result = await tryOut(target, { random, inputs: 1_000 })
 */
export { accepted, assertPlainText, defaultMaxBytes, type FuzzTarget, tryOut } from './fuzz-target.ts'
export { mutate, type Mutable } from './mutate.ts'
export { mutateProtobuf } from './mutate-protobuf.ts'
export { Random, seededRandom } from './random.ts'
export { notRoot, titled } from './skip.ts'
