import type { Conditions, ContenderConditions } from '../conditions/conditions.ts'
import type { Sample } from '../samples.ts'
import { summarize } from '../statistics.ts'
import { titles } from '../world/contender.ts'

/** Name and value of each condition, in the order in which to read them. */
export function conditionLines(
  { machine, contenders, ...conditions }: Conditions,
  samples: readonly Sample[]
): [string, string][] {
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`
  return [
    ['time', conditions.time],
    ['machine', `${machine.cpus} × ${machine.cpu}, ${memory}, Linux ${machine.kernel}`],
    ['load before', machine.loadBefore.toFixed(2)],
    ['stolen by the host', stolenText(samples)],
    ['congestion control', machine.congestionControl],
    ['load programs', conditions.loadPrograms],
    ['revision', conditions.revision],
    ...contenders.map((one): [string, string] => [titles[one.name], contenderText(one)])
  ]
}

/** For each contender the share of processor time over its runs: where it is some per cent, others decide the figures. */
function stolenText(samples: readonly Sample[]): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
  return [...Map.groupBy(samples, ({ contender }) => contender)]
    .map(([contender, own]) => {
      const { median, min, max } = summarize(own.map(({ stolen }) => stolen))
      return `${titles[contender]} ${percent(median)} (${percent(min)} … ${percent(max)})`
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
