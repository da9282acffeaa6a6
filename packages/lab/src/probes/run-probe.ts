import http from 'node:http'
import type net from 'node:net'
import tls from 'node:tls'
import type { V1Container, V1Probe } from '@culvert/kubernetes'
import { connectTcp, type Netns } from '@culvert/netns'
import { reasonOf } from '../errors.ts'

export interface ProbeTarget {
  readonly container: V1Container
  /** The pod's address. */
  readonly ip: string
  /** Probes are made from the node: the mesh tells them from other traffic by that. undefined: this process's own. */
  readonly nodeNetns: Netns | undefined
  exec(command: readonly string[], timeout: number): Promise<{ code: number; output: string }>
}

export type ProbeResult = { readonly success: true } | { readonly success: false; readonly message: string }

const success: ProbeResult = { success: true }
const failure = (message: string): ProbeResult => ({ success: false, message })

/** As much of a refusal's body as ends up in an Event. */
const maxBodyLength = 1024

/** One attempt; whatever goes wrong is a failed probe with its reason. */
export async function runProbe(probe: V1Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeout = (probe.timeoutSeconds ?? 1) * 1000
  try {
    if (probe.httpGet) return await httpProbe(probe.httpGet, target, timeout)
    if (probe.tcpSocket) {
      const port = portNumber(probe.tcpSocket.port, target.container)
      const socket = await connect(probe.tcpSocket.host || target.ip, port, target, timeout)
      socket.destroy()
      return success
    }
    if (probe.exec) {
      const { code, output } = await target.exec(probe.exec.command ?? [], timeout)
      return code === 0 ? success : failure(output.slice(0, maxBodyLength) || `exit status ${code}`)
    }
    return failure('the lab knows httpGet, tcpSocket and exec probes only')
  } catch (error) {
    return failure(reasonOf(error))
  }
}

function connect(ip: string, port: number, target: ProbeTarget, timeout: number): Promise<net.Socket> {
  return connectTcp(target.nodeNetns, { ip, port }, { timeout })
}

async function httpProbe(
  get: NonNullable<V1Probe['httpGet']>,
  target: ProbeTarget,
  timeout: number
): Promise<ProbeResult> {
  const host = get.host || target.ip
  const port = portNumber(get.port, target.container)
  const secure = get.scheme === 'HTTPS'
  const path = get.path ? (get.path.startsWith('/') ? get.path : `/${get.path}`) : '/'
  const url = `${secure ? 'https' : 'http'}://${host}:${port}${path}`
  const deadline = AbortSignal.timeout(timeout)
  const socket = await connect(host, port, target, timeout)
  // A probe asks whether the server answers, not who it is.
  const stream = secure ? tls.connect({ socket, rejectUnauthorized: false }) : socket
  const headers: Record<string, string> = {
    Host: `${host}:${port}`,
    'User-Agent': 'kube-probe/1.34',
    Accept: '*/*',
    Connection: 'close'
  }
  for (const { name, value } of get.httpHeaders ?? []) headers[name] = value
  try {
    const { status, body } = await answer({ path, headers, stream, signal: deadline })
    // Redirects are not followed; like the kubelet's, they count as success.
    if (status >= 200 && status < 400) return success
    return failure(`HTTP probe failed with statuscode: ${status}${body && ` ${body}`}`)
  } catch (error) {
    return failure(
      deadline.aborted ? `Get "${url}": no answer within ${timeout} ms` : `Get "${url}": ${reasonOf(error)}`
    )
  } finally {
    stream.destroy()
    socket.destroy()
  }
}

function answer(o: {
  path: string
  headers: Record<string, string>
  stream: net.Socket
  signal: AbortSignal
}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      path: o.path,
      headers: o.headers,
      createConnection: () => o.stream,
      signal: o.signal
    })
    request.on('error', reject)
    request.on('response', response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body = (body + chunk).slice(0, maxBodyLength)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: body.trim() }))
      response.on('error', reject)
    })
    request.end()
  })
}

function portNumber(port: unknown, container: V1Container): number {
  if (typeof port === 'number') return port
  const named = container.ports?.find(({ name }) => name === port)?.containerPort
  const number = named ?? Number(port)
  if (Number.isInteger(number)) return number
  throw new Error(`container ${container.name} has no port named '${String(port)}'`)
}
