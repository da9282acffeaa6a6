import { get as httpGet } from 'node:http'
import { addressTypeUrl } from '@culvert/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../test/eventually.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane.ts'
import { openXds, requestCertificate, ztunnelNode } from '../../test/grpc-client.ts'
import { bearer, openShop, secure } from '../istiod.test-helper.ts'

let plane: ControlPlane
let ztunnelToken: string

beforeAll(async () => {
  plane = await startControlPlane()
  ;({ ztunnelToken } = await openShop(plane))
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

describe('what operators see', () => {
  const get = async (port: number, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
  }

  it('is ready, has a version and Prometheus text', async () => {
    // What is never counted is not on the page.
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    await stream.next()
    const client = secure(plane)
    await requestCertificate(client, { headers: bearer(ztunnelToken) }).finally(() => client.close())

    expect(await get(plane.httpPort, '/ready')).toMatchObject({ status: 200, text: '' })
    expect((await get(plane.monitoringPort, '/version')).text.split('-').at(-1)).toBe('Clean')
    const { type, text } = await get(plane.monitoringPort, '/metrics')
    expect(type).toContain('text/plain; version=0.0.4')
    expect(text).toMatch(/^citadel_server_success_cert_issuance_count [1-9]/m)
    expect(text).toMatch(/^pilot_debounce_time_count [1-9]/m)
    expect(text).toMatch(/^pilot_xds_pushes\{type="wds"\} [1-9]/m)
  })

  it('[observability-dns-28] answers a path with two slashes, as istioctl asks, and outlives a target that is no URL', async () => {
    const status = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpGet({ port: plane.monitoringPort, host: '127.0.0.1', path }, response => {
          response.resume()
          resolve(response.statusCode)
        }).on('error', reject)
      })
    expect(await status('//version')).toBe(200)
    expect(await status('http://[')).toBe(400)
  })

  it('lists its clients and what they were sent', async () => {
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    const { nonce = '' } = await stream.next()
    stream.send({ typeUrl: addressTypeUrl, responseNonce: nonce })
    await eventually(async () => JSON.parse((await get(plane.httpPort, '/debug/syncz')).text)).toContainEqual({
      cluster_id: 'Kubernetes',
      proxy: 'zt-1.istio-system',
      proxy_type: 'ztunnel',
      resources: { [addressTypeUrl]: { sent: nonce, acked: nonce, sentTime: expect.any(String) } }
    })
    expect((await get(plane.httpPort, '/debug/config_dump')).status).toBe(400)
    expect(await get(plane.httpPort, '/debug/config_dump?proxyID=nobody')).toMatchObject({
      status: 404,
      text: expect.stringContaining('Proxy not connected to this Pilot instance.')
    })
    const dump = JSON.parse((await get(plane.httpPort, '/debug/config_dump?proxyID=zt-1')).text)
    expect(dump.configs.length).toBeGreaterThanOrEqual(3)
    const all = JSON.parse((await get(plane.monitoringPort, '/debug/ambientz?pretty')).text)
    expect(all.workloads.map((w: { uid: string }) => w.uid)).toContain('Kubernetes//Pod/shop/pay-0')
    expect((await get(plane.httpPort, '/debug/nonsense')).status).toBe(404)
  })
})
