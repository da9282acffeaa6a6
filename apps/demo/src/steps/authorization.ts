import { accessLines, field } from '../access-log.ts'
import { hold } from '../errors.ts'
import { sample } from '../mesh.ts'
import { askFrom, eventually, podOf, type Step } from '../world.ts'

export const authorization: Step = {
  title: '4. An AuthorizationPolicy lets only productpage reach details',
  run: async world => {
    const [productpage, reviews, details] = [
      await podOf(world, 'productpage'),
      await podOf(world, 'reviews'),
      await podOf(world, 'details')
    ]
    const url = 'http://details:9080/details/0'
    const before = await askFrom(world, reviews, url)
    hold(before.ok, `reviews cannot reach details even before the policy: ${before.text}`)
    world.display.status('applying details-only-from-productpage')
    await world.cluster.apply(sample('details-only-from-productpage'))
    const refused = await eventually(world, 'reviews refused', async () => {
      const answer = await askFrom(world, reviews, url)
      return answer.ok ? undefined : answer.text
    })
    const passes = await askFrom(world, productpage, url)
    hold(passes.ok, `productpage is refused too: ${passes.text}`)
    const reason = 'allow policies exist, but none allowed'
    // The first refusal may have been a connection that the policy cut while it was open: the log says that otherwise.
    const line = await eventually(world, 'the reason in the log', async () => {
      await askFrom(world, reviews, url)
      return (await accessLines(world, details.node, reason, `src.workload="${reviews.name}"`)).at(-1)
    })
    return [
      `productpage → details: answered`,
      `reviews → details: refused (the client sees: ${refused.replace(`${url}: `, '')})`,
      `the log's reason: ${field(line, 'error')}`
    ]
  }
}
