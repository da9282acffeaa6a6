import type { Counter, CounterCell, LabelSet } from '@culvert/telemetry'
import { type ResponseFlag, type Traffic, trafficLabels } from './traffic-labels.ts'
import type { TrafficMetrics } from './traffic-metrics.ts'

/** The counters of one kind of traffic with one flag; a series is created when it is first asked for. */
export class TrafficSeries {
  readonly #metrics: TrafficMetrics
  readonly #labels: LabelSet
  readonly #cells = new Map<Counter, CounterCell>()

  constructor(metrics: TrafficMetrics, labels: LabelSet) {
    this.#metrics = metrics
    this.#labels = labels
  }

  get opened(): CounterCell {
    return this.#cell(this.#metrics.opened)
  }

  get closed(): CounterCell {
    return this.#cell(this.#metrics.closed)
  }

  get failed(): CounterCell {
    return this.#cell(this.#metrics.failed)
  }

  get received(): CounterCell {
    return this.#cell(this.#metrics.received)
  }

  get sent(): CounterCell {
    return this.#cell(this.#metrics.sent)
  }

  #cell(counter: Counter): CounterCell {
    let cell = this.#cells.get(counter)
    if (cell === undefined) {
      cell = counter.with(this.#labels)
      this.#cells.set(counter, cell)
    }
    return cell
  }
}

/** Labels are long, and rendering and finding them cost more than all else of a connection: once for each traffic and flag. */
export function createTrafficSeries(metrics: TrafficMetrics): (traffic: Traffic, flag: ResponseFlag) => TrafficSeries {
  const known = new WeakMap<Traffic, Map<ResponseFlag, TrafficSeries>>()
  return (traffic, flag) => {
    let flags = known.get(traffic)
    if (flags === undefined) {
      flags = new Map()
      known.set(traffic, flags)
    }
    let series = flags.get(flag)
    if (series === undefined) {
      series = new TrafficSeries(metrics, trafficLabels(traffic, flag))
      flags.set(flag, series)
    }
    return series
  }
}
