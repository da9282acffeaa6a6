import type { ContainerRecord } from './container-record.ts'

/** Ends the current run: SIGTERM, and SIGKILL after the grace period. Resolves when it is gone. */
export async function stopContainer(record: ContainerRecord, graceMs: number): Promise<void> {
  if (record.state.phase !== 'running') return
  const { process } = record.state
  if (graceMs > 0) process.kill('SIGTERM')
  else process.kill('SIGKILL')
  const timer = setTimeout(() => process.kill('SIGKILL'), graceMs)
  await process.exited
  clearTimeout(timer)
}
