import type { Side, Stage } from '../world/stage.ts'
import { cpuSeconds } from './cpu.ts'

/** Seconds of processor time that the node proxies used. */
export type ProxyCpu = Readonly<Record<Side, number>>

/** Runs `load`; undefined for the processor time where there is no mesh. */
export async function withProxyCpu<T>(
  stage: Stage,
  load: () => Promise<T>
): Promise<{ result: T; cpu: ProxyCpu | undefined }> {
  if (stage.contender.name === 'direct') return { result: await load(), cpu: undefined }
  const before = stage.proxies()
  const sending = cpuSeconds(before.sending)
  const receiving = cpuSeconds(before.receiving)
  const result = await load()
  // Children that came and went meanwhile are counted by none. Ours has one only before it is ready, to read a local file.
  const after = stage.proxies()
  return {
    result,
    cpu: { sending: cpuSeconds(after.sending) - sending, receiving: cpuSeconds(after.receiving) - receiving }
  }
}
