import http from 'node:http'
import net from 'node:net'
import type { V1Container, V1Probe } from '@culvert/kubernetes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { probeContainer } from './prober.ts'
import { type ProbeTarget, runProbe } from './run-probe.ts'

let server: http.Server
let status: number
let agent: string | undefined
let execCode: number
let target: ProbeTarget

beforeEach(async () => {
  status = 200
  execCode = 0
  server = http.createServer((request, response) => {
    agent = request.headers['user-agent']
    if (request.url === '/never') return
    response.statusCode = status
    response.end('because')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const container: V1Container = { name: 'main', ports: [{ name: 'web', containerPort: port() }] }
  const exec = async () => ({ code: execCode, output: 'no good' })
  target = { container, ip: '127.0.0.1', nodeNetns: undefined, exec }
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})
const port = (): number => (server.address() as net.AddressInfo).port

describe('runProbe', () => {
  it('asks over HTTP, finding ports by name, as a kubelet', async () => {
    expect(await runProbe({ httpGet: { path: '/x', port: 'web' } }, target)).toEqual({ success: true })
    expect(agent).toMatch(/^kube-probe\//)
  })

  it.each([302, 399])('takes status %i for success', async code => {
    status = code
    expect(await runProbe({ httpGet: { port: 'web' } }, target)).toEqual({ success: true })
  })

  it.each([400, 503])('takes status %i for failure and says so', async code => {
    status = code
    const message = `HTTP probe failed with statuscode: ${code} because`
    expect(await runProbe({ httpGet: { port: 'web' } }, target)).toEqual({ success: false, message })
  })

  it('gives up on a server that does not answer', async () => {
    const result = await runProbe({ httpGet: { path: '/never', port: 'web' }, timeoutSeconds: 0.05 }, target)
    expect(result).toMatchObject({ success: false, message: expect.stringContaining('no answer within 50 ms') })
  })

  it('connects over TCP', async () => {
    expect(await runProbe({ tcpSocket: { port: port() } }, target)).toEqual({ success: true })
    const free = net.createServer()
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve))
    const closed = (free.address() as net.AddressInfo).port
    await new Promise(resolve => free.close(resolve))
    expect(await runProbe({ tcpSocket: { port: closed } }, target)).toMatchObject({ success: false })
  })

  it('runs programs', async () => {
    expect(await runProbe({ exec: { command: ['true'] } }, target)).toEqual({ success: true })
    execCode = 1
    expect(await runProbe({ exec: { command: ['false'] } }, target)).toEqual({ success: false, message: 'no good' })
  })

  it.each([
    [{ tcpSocket: { port: 'none' } }, "container main has no port named 'none'"],
    [{ grpc: { port: 1 } }, 'the lab knows httpGet, tcpSocket and exec probes only']
  ] as [V1Probe, string][])('fails %j with a reason', async (probe, message) => {
    expect(await runProbe(probe, target)).toEqual({ success: false, message })
  })
})

describe('probeContainer', () => {
  function watch(probes: Partial<V1Container>) {
    const stop = new AbortController()
    const seen: string[] = []
    const waiting: { text: string; resolve: () => void }[] = []
    const say = (text: string): void => {
      seen.push(text)
      for (const { text: wanted, resolve } of waiting) if (wanted === text) resolve()
    }
    const handler = {
      started: () => say('started'),
      ready: (ready: boolean) => say(ready ? 'ready' : 'not ready'),
      failed: (kind: string) => say(`${kind} failed`),
      unhealthy: (kind: string) => say(`${kind} unhealthy`)
    }
    const done = probeContainer({ ...target.container, ...probes }, target, handler, stop.signal)
    const until = (text: string): Promise<void> =>
      seen.includes(text) ? Promise.resolve() : new Promise(resolve => waiting.push({ text, resolve }))
    return { seen, until, stop: () => stop.abort(), done }
  }
  const http = { httpGet: { path: '/', port: 'web' } }

  it('counts a container without probes as started and ready', async () => {
    const { seen, done } = watch({})
    await done
    expect(seen).toEqual(['started', 'ready'])
  })

  it('is impatient while a container is not ready, and takes three failures before it is not ready any more', async () => {
    status = 500
    const { seen, until, stop, done } = watch({ readinessProbe: { ...http, periodSeconds: 0.02 } })
    await until('Readiness failed')
    status = 200
    await until('ready')
    const before = seen.length
    status = 500
    await until('not ready')
    expect(seen.slice(before)).toEqual(['Readiness failed', 'Readiness failed', 'Readiness failed', 'not ready'])
    stop()
    await done
  })

  it('asks nothing else until the startup probe has passed', async () => {
    status = 500
    const probe = { ...http, periodSeconds: 0.01, failureThreshold: 100 }
    const { seen, until, stop, done } = watch({ startupProbe: probe, readinessProbe: probe })
    await until('Startup failed')
    expect(seen).not.toContain('started')
    status = 200
    await until('ready')
    expect(seen.filter(text => !text.startsWith('Startup'))).toEqual(['started', 'ready'])
    stop()
    await done
  })

  it.each(['startupProbe', 'livenessProbe'] as const)(
    'gives a container up when its %s fails too often',
    async kind => {
      status = 500
      const { seen, done } = watch({ [kind]: { ...http, periodSeconds: 0.01, failureThreshold: 2 } })
      await done
      const name = kind === 'startupProbe' ? 'Startup' : 'Liveness'
      expect(seen.filter(text => text.startsWith(name))).toEqual([
        `${name} failed`,
        `${name} failed`,
        `${name} unhealthy`
      ])
    }
  )
})
