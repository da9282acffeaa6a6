export type ExpositionFormat = 'openmetrics' | 'prometheus'

export interface Sample {
  /** `value` for the plain sample of a counter or gauge. */
  readonly suffix: string
  readonly labels: string
  readonly value: number
}

export interface FamilyView {
  readonly name: string
  readonly help: string
  readonly unit: string | undefined
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labelled: boolean
  readonly samples: () => readonly Sample[]
}

/** docs/spec/observability-dns.md 5.1: a labelled family without samples is omitted entirely. */
export function renderFamilies(families: readonly FamilyView[], format: ExpositionFormat): string {
  const lines: string[] = []
  for (const family of families) {
    let samples = family.samples()
    if (samples.length === 0) {
      if (family.labelled || family.type === 'histogram' || format === 'prometheus') continue
      samples = [{ suffix: 'value', labels: '', value: 0 }]
    }
    lines.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`)
    if (family.unit !== undefined && format === 'openmetrics') lines.push(`# UNIT ${family.name} ${family.unit}`)
    // Only OpenMetrics tells a counter's samples apart from its family.
    const plain = family.type === 'counter' && format === 'openmetrics' ? '_total' : ''
    for (const { suffix, labels, value } of samples) {
      const name = `${family.name}${suffix === 'value' ? plain : suffix}`
      lines.push(`${name}${labels === '' ? '' : `{${labels}}`} ${number(value)}`)
    }
  }
  if (format === 'openmetrics') lines.push('# EOF')
  return lines.map(line => `${line}\n`).join('')
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
