import { ask } from './ask.ts'
import { startDetails } from './details.ts'
import { startGateway } from './gateway.ts'
import { startProductpage } from './productpage.ts'
import { startRatings } from './ratings.ts'
import { startRegular } from './regular.ts'
import { startReviews } from './reviews.ts'
import { startStore } from './store.ts'
import { startWanderer } from './wanderer.ts'

const roles: Record<string, (args: readonly string[]) => void | Promise<void>> = {
  gateway: () => startGateway({ port: 8080, productpage: 'http://productpage:9080' }),
  productpage: () => startProductpage({ port: 9080, details: 'http://details:9080', reviews: 'http://reviews:9080' }),
  details: () => startDetails({ port: 9080 }),
  reviews: ([version = 'v1']) => startReviews({ port: 9080, version, ratings: 'http://ratings:9080' }),
  ratings: () => startRatings({ port: 9080, store: { host: 'store', port: 7000 } }),
  store: () => startStore({ port: 7000 }),
  regular: () => startRegular({ host: 'store', port: 7000 }),
  ask: ([url]) => ask(url),
  /** Waits to be used from inside: a pod to run commands in. */
  wanderer: ([url]) => startWanderer(url)
}

const [role = '', ...args] = process.argv.slice(2)
const start = Object.hasOwn(roles, role) ? roles[role] : undefined
if (start === undefined) {
  console.error(`bookstore: unknown service '${role}'; one of: ${Object.keys(roles).join(', ')}`)
  process.exit(2)
}
process.on('SIGTERM', () => process.exit(0))
await start(args)
