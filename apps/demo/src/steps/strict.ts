import { accessLines, field } from '../access-log.ts'
import { hold } from '../errors.ts'
import { sample } from '../mesh.ts'
import { askFrom, eventually, podOf, type Step } from '../world.ts'

export const strict: Step = {
  title: '5. PeerAuthentication STRICT: who is not in the mesh is refused',
  run: async world => {
    const outsider = { namespace: 'outside', name: 'outsider' }
    const url = 'http://gateway.bookstore:8080/productpage/0'
    const before = await askFrom(world, outsider, url)
    hold(before.ok, `the outsider is refused even before STRICT: ${before.text}`)
    world.display.status('applying strict mTLS')
    await world.cluster.apply(sample('strict-mtls'))
    const refused = await eventually(world, 'the outsider refused', async () => {
      const answer = await askFrom(world, outsider, url)
      return answer.ok ? undefined : answer.text
    })
    const gateway = await podOf(world, 'gateway')
    const inside = await askFrom(world, gateway, 'http://productpage:9080/productpage/0')
    hold(inside.ok, `the mesh's own traffic is refused too: ${inside.text}`)
    // As with the other policy: the first refusal may have been a connection that was open when the policy came.
    const line = await eventually(world, 'the reason in the log', async () => {
      await askFrom(world, outsider, url)
      return (await accessLines(world, gateway.node, 'istio_converted_static_strict')).at(-1)
    })
    return [
      'gateway → productpage: answered',
      `outsider → gateway: refused (the client sees: ${refused.replace(`${url}: `, '')})`,
      `the log's reason: ${field(line, 'error')}`
    ]
  }
}
