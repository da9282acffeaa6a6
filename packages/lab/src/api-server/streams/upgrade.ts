import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Cluster } from '../cluster-state.ts'
import type { Kubelet } from '../kubelets.ts'
import { maxBodyBytes } from '../request-body.ts'
import { parseResourcePath, splitPath } from '../request-info.ts'
import type { KubeObject } from '../objects.ts'
import { runSpdySession } from '../spdy/session.ts'
import { badRequest, internalError, noSuchPath, StatusError } from '../status.ts'
import { chooseContainer, kubeletOf } from '../subresources/pod-log.ts'
import { forwardChannels } from './channel-port-forward.ts'
import { execOverSpdy, execOverWebSocket, execProtocols } from './exec.ts'
import { createPortForwarder, type OpenPort } from './port-forward.ts'

/** kubectl since 1.30: SPDY inside the messages of a WebSocket. */
const tunnelled = 'SPDY/3.1+portforward.k8s.io'
const channels = 'v4.channel.k8s.io'
const spdyProtocol = 'portforward.k8s.io'

const portForwardProtocols = [tunnelled, channels]

/** Serves connections that turn into something else than HTTP: port-forward, and exec where the kubelet has it. */
export function createUpgradeHandler(o: {
  cluster: Cluster
  authenticate: Authenticate
  onError: (error: unknown) => void
}): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const { cluster, authenticate, onError } = o
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxBodyBytes,
    handleProtocols: (offered: Set<string>) =>
      [...portForwardProtocols, ...execProtocols].find(one => offered.has(one)) ?? false
  })

  async function handle(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    await authenticate(request)
    const url = request.url ?? '/'
    const [path, search] = url.includes('?')
      ? [url.slice(0, url.indexOf('?')), url.slice(url.indexOf('?') + 1)]
      : [url, '']
    const query = new URLSearchParams(search)
    const resource = parseResourcePath(splitPath(path))
    if (resource?.group !== '' || resource.plural !== 'pods' || resource.name === undefined) throw noSuchPath()
    const definition = cluster.registry.find('', resource.version, 'pods')
    if (definition === undefined || resource.namespace === undefined) throw noSuchPath()
    const pod = cluster.operations.read({ definition, namespace: resource.namespace, name: resource.name })
    const kubelet = kubeletOf(cluster, pod, '')
    if (resource.subresource === 'portforward') return portForward(request, socket, head, pod, kubelet, query)
    if (resource.subresource !== 'exec') throw noSuchPath()
    const container = chooseContainer(pod, query.get('container') ?? '')
    const target = { kubelet, pod, container, query }
    if (!isSpdy(request)) return execOverWebSocket(target, await accept(request, socket, head, execProtocols))
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    switchToSpdy(socket, head, 'v4.channel.k8s.io')
    return runSpdySession({ transport: socket, onStream: execOverSpdy(target, gone.signal) })
  }

  async function portForward(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    pod: KubeObject,
    kubelet: Kubelet,
    query: URLSearchParams
  ): Promise<void> {
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    const openPort: OpenPort = port => kubelet.portForward(pod, port, gone.signal)
    if (isSpdy(request)) {
      switchToSpdy(socket, head, spdyProtocol)
      return runSpdySession({ transport: socket, onStream: createPortForwarder(openPort) })
    }
    const webSocket = await accept(request, socket, head, portForwardProtocols)
    if (webSocket.protocol === tunnelled) {
      return runSpdySession({ transport: createWebSocketStream(webSocket), onStream: createPortForwarder(openPort) })
    }
    const ports = query
      .getAll('ports')
      .flatMap(list => list.split(','))
      .map(Number)
    if (ports.length === 0 || !ports.every(port => Number.isInteger(port) && port >= 1 && port <= 65_535)) {
      webSocket.close(1008, 'ports: at least one port from 1 to 65535 is required')
      return
    }
    return forwardChannels(webSocket, ports, openPort)
  }

  function accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    protocols: readonly string[]
  ): Promise<WebSocket> {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(one => one.trim())
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || !offered.some(one => protocols.includes(one))) {
      throw badRequest(`unable to upgrade: expected a WebSocket with one of the protocols ${protocols.join(', ')}`)
    }
    return new Promise(resolve =>
      webSockets.handleUpgrade(request, socket, head, webSocket => {
        webSocket.on('error', () => webSocket.terminate())
        resolve(webSocket)
      })
    )
  }

  return (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    handle(request, socket, head).catch(error => {
      if (error instanceof StatusError) refuse(socket, error)
      else if (!socket.destroyed) {
        onError(error)
        refuse(socket, internalError('see the log of the API server'))
      }
    })
  }
}

function isSpdy({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'spdy/3.1'
}

function switchToSpdy(socket: Duplex, head: Buffer, protocol: string): void {
  const headers = ['Connection: Upgrade', 'Upgrade: SPDY/3.1', `X-Stream-Protocol-Version: ${protocol}`]
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join('\r\n')}\r\n\r\n`)
  if (head.length > 0) socket.unshift(head)
}

/** Before the switch the refusal is an ordinary answer; after it nothing is left but to cut. */
function refuse(socket: Duplex, { status }: StatusError): void {
  const body = JSON.stringify(status)
  socket.end(
    `HTTP/1.1 ${status.code} ${status.reason ?? 'Error'}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
