import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { unmapAddress } from '@culvert/netns'
import { BodyTooLong, listenOnUnixSocket, readBody } from './unix-socket.ts'

/** What the plugin tells of a new pod (docs/spec/cni.md 2.6). */
export interface PodAddEvent {
  /** The runtime's path of the network namespace, on the host. */
  readonly netns: string
  readonly podName: string
  readonly podNamespace: string
  /** From the CNI result: the pod's status has none yet. */
  readonly ips: readonly string[]
}

export interface EventServerOptions {
  readonly socketPath: string
  /** Enrols the pod; its error's text becomes the answer. */
  readonly add: (event: PodAddEvent, signal: AbortSignal) => Promise<void>
  /** Status 0: no answer could be given. */
  readonly onAnswer: (status: number, event: PodAddEvent | undefined, error: Error | undefined) => void
}

export interface EventServer {
  readonly close: () => Promise<void>
}

/** Far above any real event; bounds what a caller can make us hold. */
const largestBody = 1 << 20

/** Serves POST /cmdadd on a unix socket (docs/spec/cni.md 1, 4.2). */
export async function startEventServer({ socketPath, add, onAnswer }: EventServerOptions): Promise<EventServer> {
  const server = createServer((request, response) => {
    if (request.url?.split('?', 1)[0] !== '/cmdadd') return answer(response, 404, '404 page not found')
    handle(request, response).catch((error: Error) => {
      // The answer could not be written: the caller has gone.
      onAnswer(0, undefined, error)
      response.destroy()
    })
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.on('close', () => gone.abort(new Error('the CNI plugin has gone')))
    let event: PodAddEvent | undefined
    try {
      event = parsePodAddEvent(await readBody(request, largestBody))
      await add(event, gone.signal)
      onAnswer(200, event, undefined)
      response.writeHead(200).end()
    } catch (error) {
      const status = error instanceof BadEvent || error instanceof BodyTooLong ? 400 : 500
      onAnswer(status, event, error as Error)
      answer(response, status, (error as Error).message)
    }
  }

  return await listenOnUnixSocket(server, socketPath, error => onAnswer(0, undefined, error))
}

class BadEvent extends Error {}

/**
 * Keys are matched without regard to case, unknown ones ignored, as Go does.
 * @throws BadEvent (answered with 400) for anything that is no event.
 */
export function parsePodAddEvent(body: string): PodAddEvent {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    throw new BadEvent(`the event is no JSON: ${(cause as Error).message.slice(0, 200)}`)
  }
  const event = fields(value, 'the event')
  const ips = event.get('ips') ?? []
  if (!Array.isArray(ips)) throw new BadEvent('IPs is no array')
  return {
    netns: text(event, 'Netns'),
    podName: text(event, 'PodName'),
    podNamespace: text(event, 'PodNamespace'),
    ips: ips.map((item, index) => address(item, index))
  }
}

function address(item: unknown, index: number): string {
  const given = fields(fields(item, `IPs[${index}]`).get('address'), `IPs[${index}].Address`)
  const ip = text(given, 'IP')
  if (isIP(ip) === 0) throw new BadEvent(`IPs[${index}].Address.IP ${JSON.stringify(ip.slice(0, 60))} is no IP address`)
  // The mask has no use here, but a wrong one is a wrong event.
  const mask = text(given, 'Mask')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(mask) || mask.length % 4 !== 0) {
    throw new BadEvent(`IPs[${index}].Address.Mask ${JSON.stringify(mask.slice(0, 60))} is no base64`)
  }
  return unmapAddress(ip)
}

function fields(value: unknown, what: string): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new BadEvent(`${what} is no object`)
  return new Map(Object.entries(value).map(([key, field]) => [key.toLowerCase(), field]))
}

function text(object: Map<string, unknown>, key: string): string {
  const value = object.get(key.toLowerCase()) ?? ''
  if (typeof value !== 'string') throw new BadEvent(`${key} is no string`)
  return value
}

function answer(response: ServerResponse, status: number, message: string): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`)
}
