import type { BenchCase } from './case.ts'
import { cni } from './cni.ts'
import { connections } from './connections.ts'
import { handshakes } from './handshakes.ts'
import { memory } from './memory.ts'
import { policies } from './policies.ts'
import { requests } from './requests.ts'
import { workloads } from './workloads.ts'
import { addedPods } from './added-pods.ts'
import { updates } from './updates.ts'
import { throughput } from './throughput.ts'

/** In the order in which they run. */
export const cases: readonly BenchCase[] = [
  throughput,
  requests,
  connections,
  handshakes,
  policies,
  addedPods,
  cni,
  updates,
  workloads,
  memory
]
