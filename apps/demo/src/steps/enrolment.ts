import type { V1Pod } from '@culvert/kubernetes'
import { namespaces } from '@culvert/kubernetes'
import { hold } from '../errors.ts'
import { between, captured, holds, serverPorts, isTls } from '../traffic.ts'
import { askFrom, bookstorePods, eventually, namespace, podOf, type Step, type World } from '../world.ts'
import { bookstoreIps, podTraffic, secret } from './plain-traffic.ts'

export const redirection = 'ambient.istio.io/redirection'

export const enrolled = (pod: V1Pod): boolean => pod.metadata?.annotations?.[redirection] === 'enabled'

export async function setDataplaneMode({ cluster }: World, mode: 'ambient' | null): Promise<void> {
  const patch = { metadata: { labels: { 'istio.io/dataplane-mode': mode } } }
  await cluster.client.patch(namespaces, { name: namespace }, patch, { type: 'merge' })
}

/** Which containers run, and how often they were started. */
const containers = (list: readonly V1Pod[]): string =>
  list
    .flatMap(pod =>
      (pod.status?.containerStatuses ?? []).map(one => `${pod.metadata!.name} ${one.containerID} ${one.restartCount}`)
    )
    .sort()
    .join('\n')

export const enrolment: Step = {
  title: '2. The namespace joins: running pods, no restart; between the nodes only TLS on 15008 is left',
  run: async world => {
    const { cluster, display } = world
    const before = containers(await bookstorePods(world))
    const started = Date.now()
    display.status('istio.io/dataplane-mode=ambient on the namespace')
    await setDataplaneMode(world, 'ambient')
    const count = (await bookstorePods(world)).length
    await eventually(world, 'every pod enrolled', async () => {
      const joined = (await bookstorePods(world)).filter(enrolled).length
      display.status(`${joined} of ${count} pods enrolled`)
      return joined === count ? true : undefined
    })
    const took = Date.now() - started
    hold(containers(await bookstorePods(world)) === before, 'a container was restarted while its pod was enrolled')
    const gateway = await podOf(world, 'gateway')
    const page = 'http://productpage:9080/productpage/0'
    // The proxies learn of the enrolment through discovery; until then they pass plain text on.
    await eventually(world, 'traffic over HBONE', async () => {
      const { result, packets } = await captured(cluster.capture(podTraffic), () => askFrom(world, gateway, page))
      const ports = serverPorts(await newConnections(world, packets))
      return result.ok && ports.length === 1 && ports[0] === 15008 ? true : undefined
    })
    const firstTunnel = display.elapsed()
    const { result, packets } = await captured(cluster.capture(podTraffic), () => askFrom(world, gateway, page))
    hold(result.ok && result.text.includes(secret), `the bookstore does not answer inside the mesh: ${result.text}`)
    const seen = await newConnections(world, packets)
    hold(
      serverPorts(seen).join() === '15008',
      `ports other than 15008 between bookstore pods: ${serverPorts(seen).join(', ')}`
    )
    hold(isTls(seen), 'what crosses the nodes on port 15008 is not TLS')
    hold(!holds(seen, secret), 'the capture between the nodes still holds the answer in plain text')
    return [
      `${count} pods enrolled in ${took} ms, no container restarted; first traffic over HBONE ${firstTunnel} after the start`,
      `${seen.length} packets between bookstore pods, all on port 15008 and all TLS; the answer's text is in none of them`,
      await fateOfTheOldConnection(world)
    ]
  }
}

/** Packets between bookstore pods, without those of the connection that the regular customer opened before. */
async function newConnections(
  world: World,
  packets: Parameters<typeof between>[0]
): Promise<ReturnType<typeof between>> {
  const regular = await podOf(world, 'regular')
  const old = (ip: string, port: number): boolean => ip === regular.ip && port !== 15008
  const storePort = 7000
  return between(packets, await bookstoreIps(world)).filter(
    ({ source, destination }) =>
      !(old(source.ip, source.port) && destination.port === storePort) &&
      !(old(destination.ip, destination.port) && source.port === storePort)
  )
}

async function fateOfTheOldConnection(world: World): Promise<string> {
  const log = await world.cluster.pods.logs(await podOf(world, 'regular'))
  const lost = log.split('\n').find(line => line.includes('connection 1 lost'))
  return lost === undefined
    ? 'the connection to the store that was open before goes on as it was, in plain text'
    : `the connection to the store that was open before: ${lost.replace('regular: ', '')}`
}
