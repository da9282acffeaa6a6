import type { Conditions, ContenderConditions } from '../conditions/conditions.ts'
import type { Measurements } from '../run-cases.ts'
import { percentText } from '../samples.ts'
import { summarize } from '../statistics.ts'
import { titles } from '../world/contender.ts'

/** Name and value of each condition, in the order in which to read them. */
export function conditionLines(
  { machine, contenders, ...conditions }: Conditions,
  measurements: Pick<Measurements, 'samples' | 'disturbed'>
): [string, string][] {
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`
  return [
    ['time', conditions.time],
    ['machine', `${machine.cpus} × ${machine.cpu}, ${memory}, Linux ${machine.kernel}`],
    ['load before', machine.loadBefore.toFixed(2)],
    ['stolen by the host', stolenText(measurements)],
    ['congestion control', machine.congestionControl],
    ['load programs', conditions.loadPrograms],
    ['revision', conditions.revision],
    ...contenders.map((one): [string, string] => [titles[one.name], contenderText(one)])
  ]
}

/** For each contender the share of processor time over its runs: where it is some per cent, others decide the figures. */
function stolenText({ samples, disturbed }: Pick<Measurements, 'samples' | 'disturbed'>): string {
  return [...Map.groupBy(samples, ({ contender }) => contender)]
    .map(([contender, own]) => {
      const { median, min, max } = summarize(own.map(({ stolen }) => stolen))
      const again = disturbed.filter(sample => sample.contender === contender).length
      const text = `${titles[contender]} ${percentText(median)} (${percentText(min)} … ${percentText(max)})`
      return again === 0 ? text : `${text}, ${again === 1 ? 'a run' : `${again} runs`} made again for it`
    })
    .join('; ')
}

function contenderText({ build, threads, cpusAllowed, cpuQuota, openFiles, ...one }: ContenderConditions): string {
  const known = (value: string): string => value || 'unknown'
  const names = Object.entries(threads).map(([name, count]) => (count === 1 ? name : `${name} × ${count}`))
  const total = Object.values(threads).reduce((sum, count) => sum + count, 0)
  return [
    `version ${known(build.version)}`,
    `build ${known(build.profile)}`,
    `TLS ${known(build.tlsLibrary)}`,
    `${total} threads (${names.join(', ')})`,
    `CPUs ${cpusAllowed}, quota ${cpuQuota}`,
    `${openFiles} descriptors`,
    `congestion control: ${socketsText(one.congestionControls)}`
  ].join('; ')
}

/** By the algorithm, where it is more than one. */
function socketsText(byKind: Readonly<Record<string, string>>): string {
  const algorithms = Map.groupBy(Object.keys(byKind), kind => byKind[kind]!)
  if (algorithms.size === 1) return `${[...algorithms.keys()][0]} on all kinds of sockets`
  return [...algorithms].map(([name, kinds]) => `${name} on ${kinds.join(', ')}`).join('; ')
}
