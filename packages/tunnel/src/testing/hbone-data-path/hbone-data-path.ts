import type { ConnectionId, DataPath, PodHandler, PodOptions, PodPath } from '../../data-path.ts'
import { TunnelError } from '../../errors.ts'
import type { TunnelLog } from '../../log.ts'
import { openPodPath } from './pod-path.ts'

export interface HboneDataPathOptions {
  readonly log: TunnelLog
}

/** The data path over @culvert/hbone: every byte passes through this process's own thread. */
export function createHboneDataPath(options: HboneDataPathOptions): DataPath {
  return new HboneDataPath(options.log)
}

class HboneDataPath implements DataPath {
  readonly #log: TunnelLog
  readonly #pods = new Set<PodPath>()
  #lastId: ConnectionId = 0
  #closed = false

  constructor(log: TunnelLog) {
    this.#log = log
  }

  async open(options: PodOptions, handler: PodHandler): Promise<PodPath> {
    if (this.#closed) throw new TunnelError('TUNNEL_CLOSED', 'the data path was closed')
    const nextId = (): ConnectionId => ++this.#lastId
    const pod = await openPodPath({
      options,
      handler,
      nextId,
      log: this.#log,
      onEnd: ended => this.#pods.delete(ended)
    })
    if (this.#closed) {
      await pod.close()
      throw new TunnelError('TUNNEL_CLOSED', 'the data path was closed')
    }
    this.#pods.add(pod)
    return pod
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#pods].map(pod => pod.close()))
  }
}
