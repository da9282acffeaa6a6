import type { Workload } from '@culvert/workloads'

/**
 * Something a decision must know that is not in the index. A decision is a generator: it runs to its end at once
 * unless it has to ask, stays free of promises and sockets, and can be tested with a table of answers.
 */
export type Question =
  /** On-demand discovery only: ask the control plane for this name; the answer is that its reply was applied. */
  | { readonly kind: 'demand'; readonly name: string }
  /** The addresses of a workload that has only a hostname (docs/spec/observability-dns.md 11.6). */
  | { readonly kind: 'resolve'; readonly workload: Workload }

/** For `resolve` the A and AAAA records, empty for a valid reply without any, undefined for a failed look-up. */
export type QuestionAnswer = readonly string[] | undefined

export type Decision<Result> = Generator<Question, Result, QuestionAnswer>

export interface Answers {
  /** Settles when the reply was applied or the wait is over; never rejects. */
  readonly demand: (name: string) => Promise<void>
  readonly resolve: (workload: Workload) => Promise<QuestionAnswer>
}

/** Drives a decision; the result is there at once when nothing had to be asked. */
export function decide<Result>(decision: Decision<Result>, answers: Answers): Result | Promise<Result> {
  const step = decision.next()
  return step.done === true ? step.value : answerFrom(step.value, decision, answers)
}

async function answerFrom<Result>(question: Question, decision: Decision<Result>, answers: Answers): Promise<Result> {
  for (let asked = question; ; ) {
    const step = decision.next(await ask(asked, answers))
    if (step.done === true) return step.value
    asked = step.value
  }
}

async function ask(question: Question, answers: Answers): Promise<QuestionAnswer> {
  if (question.kind === 'resolve') return await answers.resolve(question.workload)
  await answers.demand(question.name)
  return undefined
}
