import { accessLines, field } from '../access-log.ts'
import { hold } from '../errors.ts'
import { askFrom, eventually, podOf, type Step } from '../world.ts'

export const accessLog: Step = {
  title: '3. Both node proxies log the connection: who, to whom, how much, how long',
  run: async world => {
    const client = await podOf(world, 'productpage')
    const server = await podOf(world, 'details')
    world.display.status('one request from productpage to details')
    const answer = await askFrom(world, client, 'http://details:9080/details/0')
    hold(answer.ok, `details did not answer: ${answer.text}`)
    const texts = ['connection complete', `src.workload="${client.name}"`, `dst.workload="${server.name}"`]
    const find = (node: string, direction: string): Promise<string> =>
      eventually(world, `the ${direction} access-log line`, async () =>
        (await accessLines(world, node, ...texts, `direction="${direction}"`)).at(-1)
      )
    const [out, into] = [await find(client.node, 'outbound'), await find(server.node, 'inbound')]
    for (const line of [out, into]) {
      hold(
        field(line, 'src.identity') === 'spiffe://cluster.local/ns/bookstore/sa/bookstore-productpage',
        'wrong source identity',
        [line]
      )
      hold(
        field(line, 'dst.identity') === 'spiffe://cluster.local/ns/bookstore/sa/bookstore-details',
        'wrong destination identity',
        [line]
      )
      hold(
        field(line, 'src.namespace') === 'bookstore' && field(line, 'dst.namespace') === 'bookstore',
        'wrong namespace',
        [line]
      )
      hold(Number(field(line, 'bytes_recv')) > 0 && Number(field(line, 'bytes_sent')) > 0, 'no bytes counted', [line])
      hold(/^\d+ms$/.test(field(line, 'duration') ?? ''), 'no duration', [line])
    }
    hold(field(out, 'bytes_sent') === field(into, 'bytes_recv'), 'the two sides count differently', [out, into])
    return [
      `${client.node} (source):`,
      out.replaceAll('\t', '  '),
      `${server.node} (destination):`,
      into.replaceAll('\t', '  ')
    ]
  }
}
