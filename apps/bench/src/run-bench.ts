import { writeFileSync } from 'node:fs'
import { labUnsupported } from '@culvert/lab'
import { cases as allCases } from './cases/index.ts'
import {
  type Conditions,
  type ContenderConditions,
  contenderConditions,
  machineConditions
} from './conditions/conditions.ts'
import { BenchError } from './errors.ts'
import { conditionLines } from './report/conditions-text.ts'
import { renderHtml } from './report/html.ts'
import { type Measured, renderTable } from './report/table.ts'
import { estimate, runCases } from './run-cases.ts'
import type { Settings } from './settings.ts'
import { type Contender, contendersOf } from './world/contender.ts'
import { createStage, type Stage } from './world/stage.ts'

export interface Output {
  /** For people who wait. */
  readonly progress: (message: string) => void
  /** The report. */
  readonly print: (text: string) => void
}

/** Measures and reports: the exit status. Whatever happens, the clusters are gone afterwards. */
export async function runBench(settings: Settings, output: Output, signal: AbortSignal): Promise<number> {
  const chosen = allCases.filter(({ name }) => settings.cases.length === 0 || settings.cases.includes(name))
  const cases = chosen.filter(one => !settings.local || one.kind === 'local' || !one.authority)
  if (cases.length === 0) {
    throw new BenchError(
      'BENCH_SETTING',
      `${settings.cases.join(', ')} needs the control plane's authority, not --local`
    )
  }
  const contenders = contendersOf(settings)
  const names = contenders.map(({ name }) => name)
  const plan = {
    cases,
    runs: settings.runs,
    options: { seconds: settings.seconds, quick: settings.quick }
  }
  const minutes = Math.ceil(estimate(plan, names) / 60)
  output.progress(`${cases.map(({ name }) => name).join(', ')}; ${names.join(', ')}: about ${minutes} min`)

  const before = machineConditions()
  const stages = cases.some(({ kind }) => kind === 'cluster')
    ? await allStages(contenders, settings, output, signal)
    : []
  try {
    const measurements = await runCases({
      ...plan,
      maxStolen: settings.maxStolen,
      stages,
      signal,
      onProgress: output.progress
    })
    output.progress('the conditions')
    const described: ContenderConditions[] = []
    for (const stage of stages) {
      if (stage.contender.name !== 'direct') described.push(await contenderConditions(stage))
    }
    const conditions = { ...before, contenders: described }
    const measured = {
      cases,
      contenders: names,
      ...measurements,
      reno: settings.congestionControl !== undefined
    }
    output.print(renderReport(measured, conditions, settings))
    if (settings.json !== undefined) {
      const all = { settings, conditions, ...measurements }
      writeFileSync(settings.json, `${JSON.stringify(all, undefined, 2)}\n`)
    }
    if (settings.html !== undefined) writeFileSync(settings.html, renderHtml(measured, conditions))
    return measurements.refusals.length > 0 ? 1 : 0
  } finally {
    await close(stages)
  }
}

/** All of them, or none and the first failure. */
async function allStages(
  contenders: readonly Contender[],
  { congestionControl, local }: Settings,
  { progress }: Output,
  signal: AbortSignal
): Promise<Stage[]> {
  const unsupported = labUnsupported()
  if (unsupported !== undefined) throw new BenchError('BENCH_SETTING', `this machine cannot run it: ${unsupported}`)
  progress(`a cluster of two nodes for each of ${contenders.length}`)
  const results = await Promise.allSettled(
    contenders.map(contender => createStage({ contender, congestionControl, local, signal }))
  )
  const stages = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined) return stages
  await close(stages)
  throw failed.reason
}

const close = (stages: readonly Stage[]): Promise<unknown> =>
  Promise.all(stages.map(stage => stage[Symbol.asyncDispose]()))

function renderReport(measured: Measured, conditions: Conditions, { quick }: Settings): string {
  const facts = conditionLines(conditions, measured).map(([name, value]) => `${`${name}:`.padEnd(20)}${value}`)
  const warning = quick ? ['--quick: these figures only show that everything works.', ''] : []
  return [...facts, '', ...warning, renderTable(measured)].join('\n')
}
