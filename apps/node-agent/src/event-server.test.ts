import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type EventServer, parsePodAddEvent, type PodAddEvent, startEventServer } from './event-server.ts'

const dir = mkdtempSync(path.join(os.tmpdir(), 'culvert-events-'))
const socketPath = path.join(dir, 'run/pluginevent.sock')
let server: EventServer | undefined
afterEach(async () => {
  await server?.close()
  rmSync(dir, { recursive: true, force: true })
})

const body =
  '{"Netns":"/var/run/netns/cni-5b2e","PodName":"till-0","PodNamespace":"shop","IPs":[{"Interface":2,"Address":{"IP":"10.42.3.17","Mask":"////AA=="},"Gateway":"10.42.3.1"},{"Interface":2,"Address":{"IP":"fd42:3::11","Mask":"//////////8AAAAAAAAAAA=="},"Gateway":""}]}'

function post(text: string, url = '/cmdadd'): Promise<{ status: number; type: string | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: url, method: 'POST', agent: false }, response => {
      let answer = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        answer += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode!, type: response.headers['content-type'], text: answer })
      )
    })
    call.on('error', reject)
    call.end(text)
  })
}

describe('the add-event server', () => {
  it('hands the event of 8.1 on and answers 200 without a body', async () => {
    const events: PodAddEvent[] = []
    server = await startEventServer({
      socketPath,
      add: async event => {
        events.push(event)
      },
      onAnswer: () => {}
    })
    expect(await post(body)).toMatchObject({ status: 200, text: '' })
    const ips = ['10.42.3.17', 'fd42:3::11']
    expect(events).toEqual([{ netns: '/var/run/netns/cni-5b2e', podName: 'till-0', podNamespace: 'shop', ips }])
    expect(statSync(socketPath).mode & 0o777).toBe(0o666)
  })

  it('[cni-25] answers 500 with the error as plain text when enrolment fails', async () => {
    const statuses: number[] = []
    server = await startEventServer({
      socketPath,
      add: () => Promise.reject(new Error('no ztunnel connection')),
      onAnswer: status => statuses.push(status)
    })
    expect(await post(body)).toEqual({
      status: 500,
      type: 'text/plain; charset=utf-8',
      text: 'no ztunnel connection\n'
    })
    expect(statuses).toEqual([500])
  })

  it.each([
    '',
    'nonsense',
    '[]',
    `${body} trailing`,
    '{"IPs":[{"Address":{"IP":"10.42.3"}}]}',
    '{"PodName":7}',
    '{"IPs":[{"Address":{"IP":"10.42.3.1","Mask":"no mask"}}]}'
  ])('answers 400 to %j and lives on', async text => {
    server = await startEventServer({ socketPath, add: async () => {}, onAnswer: () => {} })
    expect((await post(text)).status).toBe(400)
    expect((await post(body)).status).toBe(200)
  })

  it('tells the enrolment when the caller hangs up', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>()
    server = await startEventServer({
      socketPath,
      add: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            resolve(signal.reason)
            reject(signal.reason)
          })
          call.destroy()
        }),
      onAnswer: () => {}
    })
    const call = request({ socketPath, path: '/cmdadd', method: 'POST', agent: false })
    call.on('error', () => {})
    call.end(body)
    expect(await aborted).toMatchObject({ message: 'the CNI plugin has gone' })
  })
})

describe('parsePodAddEvent', () => {
  it('matches keys in any case, ignores unknown ones and unwraps mapped addresses', () => {
    const event = parsePodAddEvent(
      '{"netns":"/n","PODNAME":"p","podnamespace":"s","extra":1,"ips":[{"address":{"ip":"::ffff:10.9.9.9"}}]}'
    )
    expect(event).toEqual({ netns: '/n', podName: 'p', podNamespace: 's', ips: ['10.9.9.9'] })
  })

  it('takes null for no addresses', () => {
    expect(parsePodAddEvent('{"Netns":"/n","PodName":"p","PodNamespace":"s","IPs":null}').ips).toEqual([])
  })
})
