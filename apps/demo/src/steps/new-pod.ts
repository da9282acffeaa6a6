import { pods } from '@culvert/kubernetes'
import { hold } from '../errors.ts'
import { sample } from '../mesh.ts'
import { captured, serverPorts } from '../traffic.ts'
import { eventually, namespace, type Step } from '../world.ts'
import { enrolled } from './enrolment.ts'
import { bookstoreIps, podTraffic, secret } from './plain-traffic.ts'

export const newPod: Step = {
  title: '6. A new pod is captured before its first packet leaves it',
  run: async world => {
    const { cluster, display } = world
    const latecomer = { namespace, name: 'latecomer' }
    display.status('creating a pod whose first act is a request to the other node')
    const { result: answer, packets } = await captured(cluster.capture(podTraffic), async () => {
      await cluster.apply(sample('latecomer'))
      await cluster.pods.ready({ ...latecomer })
      return eventually(world, 'the first request of the new pod', async () =>
        (await cluster.pods.logs(latecomer)).split('\n').find(line => line.includes('first request'))
      )
    })
    hold(answer.includes(secret), `the new pod's first request was not answered: ${answer}`)
    const pod = await cluster.client.get(pods, latecomer)
    hold(pod !== undefined && enrolled(pod), 'the new pod is not enrolled')
    const ip = pod.status!.podIP!
    const peers = await bookstoreIps(world)
    const own = packets.filter(
      ({ source, destination }) =>
        (source.ip === ip && peers.has(destination.ip)) || (destination.ip === ip && peers.has(source.ip))
    )
    hold(
      serverPorts(own).join() === '15008',
      `the new pod spoke on ports ${serverPorts(own).join(', ') || 'none'}, expected 15008 alone`,
      [answer]
    )
    return [`${own.length} packets of the new pod between the nodes, the first included: all on port 15008`]
  }
}
