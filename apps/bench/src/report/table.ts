import type { BenchCase, Metric } from '../cases/case.ts'
import type { Measurements } from '../run-cases.ts'
import { valuesOf } from '../samples.ts'
import { type Ratio, ratio, type Summary, summarize } from '../statistics.ts'
import { type ContenderName, titles } from '../world/contender.ts'

/** A line of the report. */
export interface Row {
  readonly metric: Metric
  readonly summaries: ReadonlyMap<ContenderName, Summary>
  /** Ours by the peer's; undefined: not measured. */
  readonly ratio: Ratio | undefined
  /** What the ratio, or where there is a limit the figure, had to be. */
  readonly target: number | undefined
  readonly reached: boolean | undefined
}

export interface Section {
  readonly title: string
  readonly rows: readonly Row[]
}

export interface Measured extends Measurements {
  readonly cases: readonly BenchCase[]
  readonly contenders: readonly ContenderName[]
  /** Whether one congestion control was set for all: the targets are others. */
  readonly reno: boolean
}

export const sections = ({ cases, contenders, samples, reno }: Measured): Section[] =>
  cases.map(({ title, metrics }) => ({
    title,
    rows: metrics.flatMap(metric => {
      const values = new Map(contenders.map(name => [name, valuesOf(samples, metric.name, name)]))
      const summaries = new Map(
        [...values].flatMap(([name, map]) => (map.size === 0 ? [] : [[name, summarize([...map.values()])]]))
      )
      if (summaries.size === 0) return []
      const compared = ratio(values.get('ours') ?? new Map(), values.get('peer') ?? new Map())
      return [{ metric, summaries, ratio: compared, ...verdict(metric, compared, summaries.get('ours'), reno) }]
    })
  }))

function verdict(
  { better, target, limit }: Metric,
  compared: Ratio | undefined,
  ours: Summary | undefined,
  reno: boolean
): Pick<Row, 'target' | 'reached'> {
  if (limit !== undefined) return { target: limit, reached: ours && ours.median <= limit }
  const wanted = reno ? target?.reno : target?.machine
  if (wanted === undefined) return { target: undefined, reached: undefined }
  const reached = compared && (better === 'more' ? compared.value >= wanted : compared.value <= wanted)
  return { target: wanted, reached }
}

/** The report as text: medians with their spread, ratios, and whether they are what they should be. */
export function renderTable(measured: Measured): string {
  const { contenders, refusals } = measured
  const lines: string[] = []
  for (const { title, rows } of sections(measured)) {
    const head = [title, ...contenders.map(name => titles[name]), 'ours / peer', 'target']
    const body = rows.map(row => [
      `${row.metric.title}, ${row.metric.unit}`,
      ...contenders.map(name => summaryText(row.summaries.get(name))),
      ratioText(row.ratio),
      targetText(row)
    ])
    lines.push(...aligned([head, ...body]), '')
  }
  for (const { case: name, contender, run, reason } of refusals) {
    lines.push(`refused: ${name}, ${titles[contender]}, run ${run}: ${reason}`)
  }
  return lines.join('\n').trimEnd()
}

/** Three figures that count. */
export function number(value: number): string {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 4)).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ' ')
}

const summaryText = (summary: Summary | undefined): string =>
  summary === undefined
    ? '–'
    : summary.runs === 1
      ? number(summary.median)
      : `${number(summary.median)} (${number(summary.min)} … ${number(summary.max)})`

export const ratioText = (value: Ratio | undefined): string => {
  if (value === undefined) return 'not measured'
  const spread = value.pairs === undefined ? '' : ` (${value.pairs.min.toFixed(2)} … ${value.pairs.max.toFixed(2)})`
  return `${value.value.toFixed(2)}${spread}`
}

export function targetText({ metric, target, reached }: Row): string {
  if (target === undefined) return ''
  const sign = metric.limit === undefined && metric.better === 'more' ? '≥' : '≤'
  const unit = metric.limit === undefined ? '' : ` ${metric.unit}`
  const outcome = reached === undefined ? '' : reached ? ', reached' : ', MISSED'
  return `${sign} ${target}${unit}${outcome}`
}

/** The first column to the left, the others to the right but the last. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => [...row[column]!].length)))
  return rows.map(row =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - [...cell].length)
        return column === 0 || column === row.length - 1 ? cell + space : space + cell
      })
      .join('   ')
      .trimEnd()
  )
}
