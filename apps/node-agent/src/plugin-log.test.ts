import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { parseScopeLevels } from '@culvert/telemetry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parsePluginLines, startPluginLog } from './plugin-log.ts'

const line = (fields: object): string => `${JSON.stringify(fields)}\n`
const good = { level: 'info', time: '2026-01-31T08:15:30.123456Z', msg: ' enrolled \n', pod: 'shop/till-0' }

describe('lines of the plugin', () => {
  it('keep time, level and labels, the message trimmed', () => {
    expect(parsePluginLines(JSON.stringify([line(good)]))).toEqual([
      {
        level: 'info',
        time: Date.UTC(2026, 0, 31, 8, 15, 30) * 1000 + 123_456,
        message: 'enrolled',
        labels: [['pod', 'shop/till-0']]
      }
    ])
  })

  it.each([
    ['no JSON', 'hello'],
    ['no object', '7'],
    ['no message', line({ ...good, msg: undefined })],
    ['no time', line({ ...good, time: undefined })],
    ['another time', line({ ...good, time: 'yesterday' })],
    ['no level', line({ ...good, level: 7 })],
    ['another level', line({ ...good, level: 'fatal' })]
  ])('are skipped with %s', (_, text) => {
    expect(parsePluginLines(JSON.stringify([text, line(good)]))).toHaveLength(1)
  })

  it('hold no control characters and no endless text', () => {
    const [parsed] = parsePluginLines(JSON.stringify([line({ ...good, msg: `a\u001b[31m\nb${'x'.repeat(9000)}` })]))
    expect(parsed!.message).toMatch(/^a \[31m bx+…$/)
    expect(parsed!.message.length).toBe(8193)
  })
})

describe('the log socket', () => {
  let dir: string
  let written: string[]
  let invalid: string[]
  let log: { close: () => Promise<void> }
  beforeEach(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'culvert-log-'))
    ;[written, invalid] = [[], []]
    log = await startPluginLog({
      socketPath: path.join(dir, 'log.sock'),
      log: { style: 'go', json: false, filter: parseScopeLevels('default:info'), write: text => written.push(text) },
      onInvalid: message => invalid.push(message)
    })
  })
  afterEach(async () => {
    await log.close()
    rmSync(dir, { recursive: true })
  })

  const post = (body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request({ socketPath: path.join(dir, 'log.sock'), path: '/log', method: 'POST' }, response => {
        response.resume()
        resolve(response.statusCode!)
      })
      call.on('error', reject)
      call.end(body)
    })

  it('re-logs under cni-plugin with the original time', async () => {
    expect(await post(JSON.stringify([line(good), line({ ...good, level: 'debug' })]))).toBe(200)
    expect(written).toHaveLength(1)
    expect(written[0]).toMatch(/^2026-01-31T08:15:30\.123456Z\tinfo\tcni-plugin\tenrolled\t.*shop\/till-0/)
  })

  it('answers 200 to what it drops', async () => {
    expect(await post('{"not": "a list"}')).toBe(200)
    expect(await post('[1]')).toBe(200)
    expect(await post('nonsense')).toBe(200)
    expect([written, invalid.length]).toEqual([[], 3])
  })
})
