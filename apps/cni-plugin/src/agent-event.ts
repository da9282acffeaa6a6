import http from 'node:http'
import { reasonOf } from './cni-error.ts'
import type { CniResult } from './cni-result.ts'
import type { PodReference } from './cni-args.ts'
import { goJson } from './go-json.ts'
import { formatIp, maskOf } from './ip-address.ts'

/** Milliseconds from connecting to the end of the answer. */
const limit = 5000
/** Bytes read of an answer that is not 200. */
const bodyLimit = 1024 * 1024

const prefix = 'istio-cni cmdAdd failed to contact node Istio CNI agent: '

/** The body that tells the node agent about a pod (docs/spec/cni.md 2.6). */
export function eventBody(netns: string, pod: PodReference, result: CniResult | undefined): string {
  const ips = (result?.ips ?? []).map(ip => ({
    Interface: ip.interface ?? null,
    Address: { IP: formatIp(ip.address.bytes), Mask: Buffer.from(maskOf(ip.address)).toString('base64') },
    Gateway: ip.gateway ?? ''
  }))
  return goJson({ Netns: netns, PodName: pod.name, PodNamespace: pod.namespace, IPs: ips.length > 0 ? ips : null })
}

/** Asks the node agent to capture the pod. One request, no retry: the runtime itself tries again with a new sandbox. */
export async function sendEvent(socketPath: string, body: string): Promise<void> {
  let answer: { status: number; body: string }
  try {
    answer = await post(socketPath, '/cmdadd', body, limit)
  } catch (error) {
    throw new Error(`${prefix}failed to send event request: ${reasonOf(error)}`, { cause: error })
  }
  if (answer.status !== 200) {
    throw new Error(`${prefix}unable to push CNI event (status code ${answer.status}): ${answer.body}`)
  }
}

/** A POST over a unix socket, `milliseconds` for all of it. */
export function post(
  socketPath: string,
  path: string,
  body: string,
  milliseconds: number
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { Host: 'unix', 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
    const request = http.request({ socketPath, path, method: 'POST', headers, agent: false }, response => {
      const chunks: Buffer[] = []
      let size = 0
      const finish = (): void => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).subarray(0, bodyLimit).toString() })
        request.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size >= bodyLimit) finish()
      })
      response.on('end', finish)
      response.on('error', reject)
    })
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${milliseconds} ms`)), milliseconds)
    request.on('close', () => clearTimeout(timer))
    request.on('error', reject)
    request.end(body)
  })
}
