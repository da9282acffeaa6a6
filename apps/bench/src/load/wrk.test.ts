import { expect, it } from 'vitest'
import { parseWrk, wrkCommand } from './wrk.ts'

// What wrk 4.1.0 wrote with our script, against a server of 4 connections.
const output = `Running 1s test @ http://127.0.0.1:18080/
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    67.95us  298.64us   5.27ms   97.60%
    Req/Sec    96.15k    14.12k  119.92k    70.00%
  95409 requests in 1.00s, 29.30MB read
Requests/sec:  95114.81
Transfer/sec:     29.21MB
{"requests":95409,"microseconds":1003093,"bytes":30721698,"connect":0,"read":0,"write":0,"status":0,"timeout":0,"p50":26,"p90":42,"p99":1661}
`

it('reads the exact numbers, not the rounded ones', () => {
  expect(parseWrk(output)).toEqual({ requests: 95409, microseconds: 1003093, p50: 26, p90: 42, p99: 1661 })
})

it.each([
  ['status', '"status":0', '"status":3', 'status 3'],
  ['socket errors', '"read":0,"write":0', '"read":7,"write":1', 'read 7, write 1'],
  ['time-outs', '"timeout":0', '"timeout":2', 'timeout 2'],
  ['no answers', '"requests":95409', '"requests":0', 'no answer'],
  ['a report cut off', '"p99":1661}', '', 'did not end with its report']
])('refuses %s', (_, was, is, message) => {
  expect(() => parseWrk(output.replace(was, is))).toThrow(message)
})

it('asks for no more threads than connections', () => {
  const command = wrkCommand({ url: 'http://10.0.0.1/', connections: 1, seconds: 5, headers: ['A: b'] })
  expect(command.slice(0, 8)).toEqual(['wrk', '-t1', '-c1', '-d5s', '--timeout', '5s', '-H', 'A: b'])
})
