import { WorkloadsError } from '../errors.ts'
import { plainText } from '../plain-text.ts'

const maxReason = 500

export const rejected = (reason: string): WorkloadsError =>
  new WorkloadsError('WORKLOADS_REJECTED', plainText(reason, maxReason))

/** The name for a number of an enum; anything unknown rejects the resource. */
export function known<Name>(names: Readonly<Record<number, Name>>, value: number | undefined, field: string): Name {
  const name = names[value ?? 0]
  if (name === undefined) throw rejected(`unknown ${field} ${value ?? 0}`)
  return name
}
