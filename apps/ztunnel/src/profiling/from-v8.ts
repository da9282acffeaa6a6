import type { Profiler, Runtime } from 'node:inspector'
import type { Frame, Profile, Sample } from './pprof.ts'

/** As V8 answers; Node's types leave out ids and samples. */
export interface SampledHeap {
  readonly head: SampledHeapNode
  readonly samples: readonly { readonly nodeId: number }[]
}

export interface SampledHeapNode {
  readonly id: number
  readonly callFrame: Runtime.CallFrame
  /** Bytes. */
  readonly selfSize: number
  readonly children: readonly SampledHeapNode[]
}

/** Where the thread was, sampled; time in which it waited for events is left out. */
export function cpuProfile(
  { nodes, samples = [], timeDeltas = [], startTime, endTime }: Profiler.Profile,
  { periodNanos, takenAt }: { readonly periodNanos: number; readonly takenAt: number }
): Profile {
  const stacks = new Map<number, readonly Frame[]>()
  const byId = new Map(nodes.map(node => [node.id, node]))
  const [root] = nodes
  const walk = root === undefined ? [] : [{ node: root, stack: [] as readonly Frame[] }]
  for (let next = walk.pop(); next !== undefined; next = walk.pop()) {
    stacks.set(next.node.id, next.stack)
    for (const id of next.node.children ?? []) {
      const node = byId.get(id)
      if (node !== undefined) walk.push({ node, stack: [frameOf(node.callFrame), ...next.stack] })
    }
  }
  const spent = new Map<number, { count: number; micros: number }>()
  samples.forEach((id, i) => {
    const sum = spent.get(id) ?? { count: 0, micros: 0 }
    spent.set(id, sum)
    sum.count += 1
    // A delta is the time before its sample: the time in it ends where the next one begins.
    sum.micros += Math.max(0, timeDeltas[i + 1] ?? 0)
  })
  return {
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' }
    ],
    samples: [...spent].flatMap(([id, { count, micros }]): Sample[] => {
      const stack = stacks.get(id) ?? []
      return stack[0]?.name === '(idle)' ? [] : [{ stack, values: [count, micros * 1_000] }]
    }),
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: periodNanos,
    takenAt,
    durationNanos: (endTime - startTime) * 1_000
  }
}

/** What was allocated since sampling began and is still there. */
export function heapProfile(
  { head, samples }: SampledHeap,
  { periodBytes, takenAt }: { readonly periodBytes: number; readonly takenAt: number }
): Profile {
  const counts = new Map<number, number>()
  for (const { nodeId } of samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  const found: Sample[] = []
  const walk: { node: SampledHeapNode; stack: readonly Frame[] }[] = [{ node: head, stack: [] }]
  for (let next = walk.pop(); next !== undefined; next = walk.pop()) {
    const { node, stack } = next
    if (node.selfSize > 0) found.push({ stack, values: [counts.get(node.id) ?? 0, node.selfSize] })
    for (const child of node.children) walk.push({ node: child, stack: [frameOf(child.callFrame), ...stack] })
  }
  return {
    sampleTypes: [
      { type: 'inuse_objects', unit: 'count' },
      { type: 'inuse_space', unit: 'bytes' }
    ],
    samples: found,
    periodType: { type: 'space', unit: 'bytes' },
    period: periodBytes,
    takenAt
  }
}

const frameOf = ({ functionName, url, lineNumber }: Runtime.CallFrame): Frame => ({
  name: functionName === '' ? '(anonymous)' : functionName,
  file: url,
  line: lineNumber + 1
})
