import { type AddressUpdate, createWorkloadIndex, type WorkloadIndex } from '@culvert/workloads'
import { workloadUpdate } from '@culvert/workloads/testing'
import { type Decision, decide, type Question, type QuestionAnswer } from './question.ts'
import type { RoutingContext } from './route.ts'

export const illegalPorts: ReadonlySet<number> = new Set([15001, 15006, 15008])

export interface TestContext extends RoutingContext {
  readonly index: WorkloadIndex
}

/** Everything in one index, and a random number that always picks the first. */
export function contextOf(updates: readonly AddressUpdate[], fields: Partial<RoutingContext> = {}): TestContext {
  const index = createWorkloadIndex()
  index.apply({ updates, removals: [] })
  return {
    network: '',
    illegalPorts,
    onDemand: false,
    localhostAppTunnel: true,
    random: () => 0,
    ...fields,
    index
  }
}

/** The result of a decision that has nothing to ask. */
export function decideAtOnce<Result>(decision: Decision<Result>): Result {
  const step = decision.next()
  if (step.done !== true) throw new Error(`asked ${JSON.stringify(step.value)}`)
  return step.value
}

/** The result of a decision whose questions are answered, and what they were. */
export async function decideAsking<Result>(
  decision: Decision<Result>,
  answer: (question: Question) => QuestionAnswer
): Promise<{ result: Result; asked: string[] }> {
  const asked: string[] = []
  const result = await decide(decision, {
    demand: async name => {
      asked.push(`demand ${name}`)
      answer({ kind: 'demand', name })
    },
    resolve: async workload => {
      asked.push(`resolve ${workload.hostname}`)
      return answer({ kind: 'resolve', workload })
    }
  })
  return { result, asked }
}

/** The pod that connects. */
export const client = { uid: 'c//Pod/shop/cart', serviceAccount: 'cart', workloadIps: ['10.61.0.7'] } as const
export const clientUpdate: AddressUpdate = workloadUpdate(client)
