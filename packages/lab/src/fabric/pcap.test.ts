import { expect, it } from 'vitest'
import { readPcap } from './pcap.ts'

function fileHeader(link = 1): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt32LE(link, 20)
  return header
}

function tcpFrame(payload: string, padding = 0): Buffer {
  const ethernet = Buffer.alloc(14)
  ethernet.writeUInt16BE(0x0800, 12)
  const ip = Buffer.alloc(20)
  ip[0] = 0x45
  ip[9] = 6
  ip.writeUInt16BE(40 + payload.length, 2)
  ip.set([10, 244, 1, 7], 12)
  ip.set([10, 244, 2, 9], 16)
  const tcp = Buffer.alloc(20)
  tcp.writeUInt16BE(4321, 0)
  tcp.writeUInt16BE(80, 2)
  tcp[12] = 0x50
  return Buffer.concat([ethernet, ip, tcp, Buffer.from(payload), Buffer.alloc(padding)])
}

function record(frame: Buffer): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(1000, 0)
  header.writeUInt32LE(500_000, 4)
  header.writeUInt32LE(frame.length, 8)
  return Buffer.concat([header, frame])
}

it('reads addresses, ports and payload, without the padding of short frames', () => {
  expect(readPcap(Buffer.concat([fileHeader(), record(tcpFrame('hi', 6))]))).toEqual([
    {
      time: 1_000_500,
      protocol: 'tcp',
      source: { ip: '10.244.1.7', port: 4321 },
      destination: { ip: '10.244.2.9', port: 80 },
      payload: Buffer.from('hi')
    }
  ])
})

it('passes over what is not IPv4 and a record that is still being written', () => {
  const arp = Buffer.alloc(60)
  arp.writeUInt16BE(0x0806, 12)
  const file = Buffer.concat([fileHeader(), record(arp), record(tcpFrame('a')), record(tcpFrame('b')).subarray(0, 40)])
  expect(readPcap(file).map(({ payload }) => payload.toString())).toEqual(['a'])
  expect(readPcap(Buffer.alloc(3))).toEqual([])
})

it('refuses another kind of file', () => {
  expect(() => readPcap(fileHeader(113))).toThrow('no Ethernet pcap file')
})
