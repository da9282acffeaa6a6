import type { RunOptions } from './case.ts'

/** How long nothing is asked of a proxy before its memory at rest is taken. */
export const restSeconds = ({ quick }: RunOptions): number => (quick ? 2 : 60)
