import { TelemetryError } from './errors.ts'
import { type ExpositionFormat, type FamilyView, renderFamilies } from './exposition.ts'
import { type LabelPairs, type LabelSet, labelSet, noLabels } from './labels.ts'

export interface FamilyOptions {
  /** The name of the TYPE line: for OpenMetrics counters without `_total`, with the unit if there is one. */
  readonly name: string
  readonly help: string
  readonly unit?: 'bytes' | 'seconds'
  /** Label names; a family without labels is shown from the start, with 0, in OpenMetrics. */
  readonly labels?: readonly string[]
}

export interface CounterCell {
  readonly add: (amount: number) => void
}
export interface Counter {
  /** The series is created at 0. Keep the cell where the same series moves often. */
  readonly with: (labels: LabelSet | LabelPairs) => CounterCell
  readonly add: (amount: number, labels?: LabelSet | LabelPairs) => void
}

export interface Gauge {
  readonly set: (value: number, labels?: LabelSet | LabelPairs) => void
  readonly add: (amount: number, labels?: LabelSet | LabelPairs) => void
}

export interface Histogram {
  readonly observe: (value: number, labels?: LabelSet | LabelPairs) => void
}

export interface GaugeOptions extends FamilyOptions {
  /** For a family without labels: asked at every exposition. */
  readonly collect?: () => number
}

export interface HistogramOptions extends FamilyOptions {
  /** Upper bounds, rising, without +Inf. */
  readonly buckets: readonly number[]
}

/** Families are shown in the order of their declaration. */
export interface Metrics {
  readonly counter: (options: FamilyOptions) => Counter
  readonly gauge: (options: GaugeOptions) => Gauge
  readonly histogram: (options: HistogramOptions) => Histogram
  /** `openmetrics`: ztunnel's rules (5.1). `prometheus`: the Go components' text, names as they are (section 9). */
  readonly render: (format: ExpositionFormat) => string
}

interface NumberCell {
  value: number
}

export function createMetrics(): Metrics {
  const families = new Map<string, FamilyView>()

  const declare = (family: FamilyView): void => {
    if (families.has(family.name)) {
      throw new TelemetryError('TELEMETRY_DUPLICATE_FAMILY', `metric family ${family.name} is declared twice`)
    }
    families.set(family.name, family)
  }

  const numbers = (
    type: 'counter' | 'gauge',
    options: GaugeOptions
  ): ((labels: LabelSet | LabelPairs) => NumberCell) => {
    const cells = new Map<string, NumberCell>()
    const { collect } = options
    declare({
      ...head(options),
      type,
      samples: () => {
        if (collect !== undefined) return [{ suffix: 'value', labels: '', value: collect() }]
        return [...cells].map(([labels, { value }]) => ({ suffix: 'value', labels, value }))
      }
    })
    return labels => {
      const key = labelSet(labels).text
      let cell = cells.get(key)
      if (cell === undefined) {
        cell = { value: 0 }
        cells.set(key, cell)
      }
      return cell
    }
  }

  return {
    counter: options => {
      const cell = numbers('counter', options)
      const withLabels: Counter['with'] = labels => {
        const found = cell(labels)
        return {
          add: amount => {
            found.value += amount
          }
        }
      }
      return {
        with: withLabels,
        add: (amount, labels = noLabels) => {
          cell(labels).value += amount
        }
      }
    },
    gauge: options => {
      const cell = numbers('gauge', options)
      return {
        set: (value, labels = noLabels) => {
          cell(labels).value = value
        },
        add: (amount, labels = noLabels) => {
          cell(labels).value += amount
        }
      }
    },
    histogram: options => {
      const cells = new Map<string, { sum: number; count: number; readonly buckets: number[] }>()
      declare({
        ...head(options),
        type: 'histogram',
        samples: () =>
          [...cells].flatMap(([labels, { sum, count, buckets }]) => {
            const bounds = [...options.buckets.map(bound), '+Inf']
            const rest = labels === '' ? '' : `,${labels}`
            return [
              { suffix: '_sum', labels, value: sum },
              { suffix: '_count', labels, value: count },
              ...bounds.map((le, i) => ({ suffix: '_bucket', labels: `le="${le}"${rest}`, value: buckets[i] ?? count }))
            ]
          })
      })
      return {
        observe: (value, labels = noLabels) => {
          const key = labelSet(labels).text
          let cell = cells.get(key)
          if (cell === undefined) {
            cell = { sum: 0, count: 0, buckets: options.buckets.map(() => 0) }
            cells.set(key, cell)
          }
          cell.sum += value
          cell.count++
          options.buckets.forEach((limit, i) => {
            if (value <= limit) cell.buckets[i] = (cell.buckets[i] ?? 0) + 1
          })
        }
      }
    },
    render: format => renderFamilies([...families.values()], format)
  }
}

function head(options: FamilyOptions): Pick<FamilyView, 'name' | 'help' | 'unit' | 'labelled'> {
  return { name: options.name, help: options.help, unit: options.unit, labelled: (options.labels?.length ?? 0) > 0 }
}

/** `1.0`, as the buckets of 5.2 are written. */
function bound(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}
