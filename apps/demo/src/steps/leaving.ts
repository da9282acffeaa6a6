import type { V1Pod } from '@culvert/kubernetes'
import { hold } from '../errors.ts'
import { between, captured, holds, serverPorts } from '../traffic.ts'
import { askFrom, bookstorePods, eventually, podOf, type Step, type World } from '../world.ts'
import { redirection, setDataplaneMode } from './enrolment.ts'
import { bookstoreIps, podTraffic, secret } from './plain-traffic.ts'

export const leaving: Step = {
  title:
    '7. The label is removed: pods leave, plain text works again, what went through the proxy is cut, rules are gone',
  run: async world => {
    const { cluster, display } = world
    const regular = await podOf(world, 'regular')
    const lines = async (): Promise<string[]> => (await cluster.pods.logs(regular)).split('\n')
    const connections = (log: readonly string[]): string[] => log.filter(line => / answers$/.test(line))
    const before = connections(await lines()).length
    const throughProxy = (await lines()).some(line => line.includes('connection 1 lost'))
    display.status('taking the label away')
    await setDataplaneMode(world, null)
    const joined = (pod: V1Pod): boolean => pod.metadata?.annotations?.[redirection] !== undefined
    await eventually(world, 'every pod has left', async () => {
      const remaining = (await bookstorePods(world)).filter(joined).map(pod => pod.metadata!.name)
      display.status(`still enrolled: ${remaining.join(', ')}`)
      return remaining.length === 0 ? true : undefined
    })
    const left = await leftovers(world)
    hold(left.length === 0, 'capture rules are left in pods', left)
    const productpage = await podOf(world, 'productpage')
    const plain = await eventually(world, 'plain traffic', async () => {
      const { result, packets } = await captured(cluster.capture(podTraffic), () =>
        askFrom(world, productpage, 'http://details:9080/details/0')
      )
      const seen = between(packets, await bookstoreIps(world))
      return result.ok && holds(seen, secret) ? seen : undefined
    })
    const summary = [
      `pods have left: no annotation, no ISTIO chain, no policy rule, no route in table 100`,
      `productpage → details: answered, readable again on ports ${serverPorts(plain).join(', ')}`
    ]
    if (!throughProxy)
      return [...summary, 'the connection opened before enrolment never went through the proxy, and goes on']
    const cut = await eventually(world, 'the connection through the proxy cut', async () => {
      const log = await lines()
      display.status(`the customer says: ${log.findLast(line => line !== '')}`)
      return connections(log).length > before ? log.findLast(line => line.includes('lost after')) : undefined
    })
    return [
      ...summary,
      `the connection that went through the proxy: ${cut.replace('regular: ', '')}; the next one works`
    ]
  }
}

/** Whatever the mesh left in pods' network namespaces. */
async function leftovers(world: World): Promise<string[]> {
  const found: string[] = []
  for (const pod of await bookstorePods(world)) {
    const ref = { namespace: pod.metadata!.namespace!, name: pod.metadata!.name! }
    if (pod.status?.phase !== 'Running') continue
    const script = 'iptables-save; ip6tables-save; ip rule; ip route show table 100 2>/dev/null || true'
    const { stdout } = await world.cluster.pods.exec(ref, ['/bin/sh', '-c', script])
    const lines = stdout.split('\n').filter(line => /ISTIO_|fwmark 0x111|^local default/.test(line))
    found.push(...lines.map(line => `${ref.name}: ${line}`))
  }
  return found
}
