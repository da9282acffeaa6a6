import fs from 'node:fs'
import type { Endpoint } from '../data-path.ts'
import type { Random } from '@culvert/testing'
import { type RoughRelay, roughRelay } from './rough-relay.ts'
import { type Exchange, Load, pause } from './soak-load.ts'
import { direct, echo, type TestMesh } from './test-mesh.ts'
import type { TestPod } from './test-pod.ts'

export interface SoakOptions {
  readonly random: Random
  readonly milliseconds: number
  /** Pieces of load at a time. Default 24. */
  readonly concurrency?: number
  readonly log: (line: string) => void
}

export interface SoakReport {
  readonly exchanges: Record<string, number>
  readonly disturbed: number
  /** What went wrong: pieces that did not end, bytes that were lost or changed though nobody interfered, leaks. */
  readonly problems: readonly string[]
}

const KINDS = ['plain', 'plain', 'rough', 'double', 'narrow'] as const

/** A piece of load on which nothing moved for so long never ends. */
const PATIENCE = 30_000

interface Route {
  client: TestPod
  server: TestPod
  /** Something is being done to its pods, or may not be known everywhere yet. */
  disturbed: boolean
  /** How often that was so and is over: an exchange that saw neither has no excuse. */
  disturbances: number
  readonly relay: RoughRelay | undefined
}

/** Everything that happens to a node's data path at once, for so long; then nothing may be left of it. */
export async function soak(mesh: TestMesh, options: SoakOptions): Promise<SoakReport> {
  const { random, log } = options
  const soaking = new Soak(mesh, random)
  try {
    await soaking.start()
    const until = Date.now() + options.milliseconds
    const workers = Array.from({ length: options.concurrency ?? 24 }, () => soaking.work(until))
    const teller = setInterval(() => log(soaking.summary()), 60_000)
    const finished = Promise.all([...workers, soaking.disturb(until)])
    await Promise.race([finished, soaking.stuck])
    clearInterval(teller)
    await Promise.race([soaking.settle(), soaking.stuck])
    log(soaking.summary())
    return soaking.report()
  } finally {
    soaking.stopWatching()
  }
}

class Soak {
  readonly stuck: Promise<void>
  readonly #mesh: TestMesh
  readonly #random: Random
  readonly #load: Load
  readonly #routes: Route[] = []
  readonly #exchanges: Record<string, number> = {}
  readonly #problems: string[] = []
  readonly #running = new Map<object, { readonly what: string; since: number }>()
  readonly #watch: NodeJS.Timeout
  #disturbed = 0
  #application!: Endpoint

  constructor(mesh: TestMesh, random: Random) {
    this.#mesh = mesh
    this.#random = random
    this.#load = new Load(random)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.stuck = promise
    this.#watch = setInterval(() => {
      for (const { what, since } of this.#running.values()) {
        if (Date.now() - since < PATIENCE) continue
        this.#problems.push(`${what} has not moved for ${PATIENCE} ms; ${this.summary()}`)
        resolve()
        return
      }
    }, 1000)
  }

  stopWatching(): void {
    clearInterval(this.#watch)
  }

  async start(): Promise<void> {
    this.#application = await this.#mesh.application(echo)
    for (const kind of KINDS) {
      const route: Partial<Route> = { disturbed: false, disturbances: 0 }
      const http2 = kind === 'narrow' ? { streamWindow: 65_535, connectionWindow: 131_072, maxFrameSize: 16_384 } : {}
      const openServer = (): Promise<TestPod> =>
        this.#mesh.server({
          http2,
          stream: async () => {
            await this.#think()
            return direct(this.#application)
          }
        })
      const target = (): Endpoint => relay?.address ?? route.server!.address('inbound-hbone')
      const relay =
        kind === 'rough'
          ? await roughRelay(
              this.#mesh,
              () => route.server!.address('inbound-hbone'),
              () => ({ piece: () => this.#random.between(1, 3000) })
            )
          : undefined
      const gateway = kind === 'double' ? await this.#mesh.server({ stream: () => direct(target()) }) : undefined
      const openClient = (): Promise<TestPod> =>
        this.#mesh.pod({
          http2,
          pool: { maxStreamsPerTunnel: this.#random.between(1, 100), unusedRelease: this.#random.between(1, 5000) },
          connection: async () => {
            await this.#think()
            const { outer, ...tunnel } = this.#mesh.tunnel(
              gateway?.address('inbound-hbone') ?? target(),
              this.#application
            )
            return { ...tunnel, outer, ...(gateway === undefined ? {} : { inner: outer }) }
          }
        })
      this.#routes.push(
        Object.assign(route, {
          server: await openServer(),
          client: await openClient(),
          relay,
          openServer,
          openClient
        }) as Route
      )
    }
  }

  async work(until: number): Promise<void> {
    while (Date.now() < until && this.#problems.length === 0) {
      const route = this.#random.pick(this.#routes)
      const to = route.client.address('outbound')
      const [what, run] = this.#random.pick<[string, (alive: () => void) => Promise<Exchange>]>([
        ['bulk', alive => this.#load.bulk(to, this.#random.between(1, 8 * 1_048_576), alive)],
        ['requests', alive => this.#load.requests(to, this.#random.between(1, 200), alive)],
        ['requests', alive => this.#load.requests(to, this.#random.between(1, 5), alive)],
        ['half-close', alive => this.#load.halfClose(to, alive)],
        ['leave', () => this.#load.leave(to)]
      ])
      await this.#exchange(what, route, run)
    }
  }

  async #exchange(what: string, route: Route, run: (alive: () => void) => Promise<Exchange>): Promise<void> {
    const { disturbed, disturbances } = route
    const token = {}
    const running = { what: `${what} on route ${this.#routes.indexOf(route)}`, since: Date.now() }
    this.#running.set(token, running)
    const { complete, faithful } = await run(() => {
      running.since = Date.now()
    })
    this.#running.delete(token)
    this.#exchanges[what] = (this.#exchanges[what] ?? 0) + 1
    if (!faithful) this.#problems.push(`${what} got bytes that nobody sent`)
    if (disturbed || route.disturbed || route.disturbances !== disturbances) this.#disturbed++
    else if (!complete) {
      const failures = [route.client, route.server].map(pod => pod.outcomes.filter(({ failure }) => failure).slice(-3))
      this.#problems.push(`${running.what} lost something; last failures of its pods: ${JSON.stringify(failures)}`)
    }
  }

  /** Cuts, drains, closed pods and broken wires, one after another. */
  async disturb(until: number): Promise<void> {
    while (Date.now() < until && this.#problems.length === 0) {
      await pause(this.#random.between(50, 1000))
      const route = this.#random.pick(this.#routes)
      route.disturbed = true
      const token = {}
      this.#running.set(token, { what: 'a disturbance', since: Date.now() })
      await this.#disturbance(route)
      // Until its end is known everywhere a tunnel that is lost may still be taken.
      while (Date.now() < until && !(await this.#load.requests(route.client.address('outbound'), 1)).complete);
      await pause(1500)
      this.#running.delete(token)
      route.disturbed = false
      route.disturbances++
    }
  }

  async #disturbance(route: Route): Promise<void> {
    const opener = route as Route & { openServer: () => Promise<TestPod>; openClient: () => Promise<TestPod> }
    const relayed = route.relay?.ended()
    const drain = (pod: TestPod) => pod.path.drain({ deadline: AbortSignal.timeout(this.#random.between(1, 3000)) })
    switch (this.#random.between(0, 6)) {
      case 0:
        route.relay?.cutAll()
        break
      case 1:
      case 2: {
        const pod = this.#random.pick([route.client, route.server])
        for (const { id } of pod.opens.slice(-20)) if (this.#random.chance(0.3)) pod.path.cut(id)
        return
      }
      case 3:
      case 4: {
        const [client, server] = [route.client, route.server]
        route.server = await opener.openServer()
        route.client = await opener.openClient()
        await Promise.all([this.#random.chance(0.5) ? drain(client) : client.path.close(), drain(server)])
        this.#checkEnded(client, server)
        break
      }
      default: {
        const server = route.server
        route.server = await opener.openServer()
        await (this.#random.chance(0.5) ? server.path.close() : drain(server))
        this.#checkEnded(server)
      }
    }
    // What ended may be known only behind all that the relay still had to pass on.
    await relayed
  }

  /** Everything that is left ends, pods close, and their outcomes are complete. */
  async settle(): Promise<void> {
    this.#running.set(this, { what: 'the end', since: Date.now() })
    for (const { client, server } of this.#routes) {
      await client.path.close()
      await server.path.close()
      this.#checkEnded(client, server)
    }
    this.#running.delete(this)
  }

  #checkEnded(...pods: readonly TestPod[]): void {
    for (const pod of pods) {
      if (pod.tunnelsOpen !== 0) this.#problems.push(`${pod.tunnelsOpen} tunnels are open on a pod that was closed`)
      const opened = new Set(pod.opens.map(({ id }) => id))
      for (const { id } of pod.outcomes) opened.delete(id)
      if (opened.size > 0) this.#problems.push(`${opened.size} connections of a closed pod have no outcome`)
      if (pod.lateProgress.length > 0) this.#problems.push('progress came after an outcome')
    }
  }

  async #think(): Promise<void> {
    if (this.#random.chance(0.1)) await pause(this.#random.between(0, 30))
  }

  summary(): string {
    return `${JSON.stringify(this.#exchanges)}, ${this.#disturbed} disturbed, ${descriptors()} descriptors, ${Math.round(process.memoryUsage.rss() / 1_048_576)} MiB`
  }

  report(): SoakReport {
    return { exchanges: this.#exchanges, disturbed: this.#disturbed, problems: this.#problems }
  }
}

export function descriptors(): number {
  return fs.readdirSync('/proc/self/fd').length
}
