import { expect, it } from 'vitest'
import { iperf3Command, parseIperf3 } from './iperf3.ts'

// From a report of iperf3 3.12 with 2 connections, without its intervals and most of its streams' figures.
const report = {
  start: { version: 'iperf 3.12' },
  end: {
    streams: [
      { sender: { bytes: 592445440 }, receiver: { bytes: 586088448 } },
      { sender: { bytes: 592445440 }, receiver: { bytes: 586088448 } }
    ],
    sum_sent: { start: 0, end: 1.000133, seconds: 1.000133, bytes: 1184890880, bits_per_second: 9477866483.75766 },
    sum_received: { start: 0, end: 1.000207, seconds: 1.000207, bytes: 1172176896, bits_per_second: 9375474444.78993 },
    sender_tcp_congestion: 'bbr'
  }
}
const two = { connections: 2 }

it('counts what arrived', () => {
  expect(parseIperf3(JSON.stringify(report), two)).toEqual({ bytes: 1172176896, seconds: 1.000207 })
})

const ends = (end: object): string => JSON.stringify({ ...report, end: { ...report.end, ...end } })

it.each([
  ['an error', JSON.stringify({ ...report, error: 'unable to connect' }), 'unable to connect'],
  ['no report', 'iperf3: command not found', 'no report'],
  ['a missing connection', ends({ streams: [report.end.streams[0]] }), '1 of 2 connections'],
  ['a silent connection', ends({ streams: [report.end.streams[0], { receiver: { bytes: 0 } }] }), '1 of 2 connections'],
  ['lost bytes', ends({ sum_received: { seconds: 1, bytes: 900000000 } }), '900000000 of 1184890880 bytes'],
  ['nothing', ends({ sum_received: { seconds: 1, bytes: 0 }, sum_sent: { bytes: 0 } }), '0 of 0 bytes']
])('refuses %s', (_, stdout, message) => {
  expect(() => parseIperf3(stdout, two)).toThrow(message)
})

it('reverses by asking the server to send', () => {
  const command = iperf3Command({ host: '10.0.0.1', port: 5201, connections: 8, seconds: 5, reverse: true })
  expect(command.join(' ')).toBe('iperf3 -c 10.0.0.1 -p 5201 -P 8 -t 5 -R --connect-timeout 5000 -J')
})
