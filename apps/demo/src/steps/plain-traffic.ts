import { hold } from '../errors.ts'
import { between, captured, excerpt, holds, serverPorts } from '../traffic.ts'
import { askFrom, bookstorePods, eventually, podOf, type Step, type World } from '../world.ts'

/** A text that details (node-2) answers productpage (node-1) with. */
export const secret = '978-0-CULVERT-0'

export const podTraffic = { filter: 'tcp and net 10.244.0.0/16' }

export async function bookstoreIps(world: World): Promise<Set<string>> {
  return new Set((await bookstorePods(world)).flatMap(pod => pod.status?.podIP ?? []))
}

export const plainTraffic: Step = {
  title: '1. Before the mesh: what the services say to each other can be read between the nodes',
  run: async world => {
    world.display.status('asking for a page from outside the mesh')
    const outsider = { namespace: 'outside', name: 'outsider' }
    const { result, packets } = await captured(world.cluster.capture(podTraffic), () =>
      askFrom(world, outsider, 'http://gateway.bookstore:8080/productpage/0')
    )
    hold(result.ok && result.text.includes(secret), `the bookstore did not answer: ${result.text}`)
    const seen = between(packets, await bookstoreIps(world))
    hold(
      holds(seen, secret),
      'the capture between the nodes does not hold the answer in plain text',
      packets.map(
        ({ source, destination, payload }) =>
          `${source.ip}:${source.port} > ${destination.ip}:${destination.port} ${payload.length}`
      )
    )
    const regular = await podOf(world, 'regular')
    await eventually(world, 'the regular customer’s connection to the store', async () =>
      (await world.cluster.pods.logs(regular)).includes('connection 1 answers') ? true : undefined
    )
    return [
      `${seen.length} packets between bookstore pods on ports ${serverPorts(seen).join(', ')}, in plain text`,
      `for example: ${excerpt(seen, secret)}`
    ]
  }
}
