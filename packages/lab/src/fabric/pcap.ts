import type { CapturedPacket } from '../cluster/cluster-types.ts'
import { LabError } from '../errors.ts'

const fileHeaderBytes = 24
const recordHeaderBytes = 16
const ethernetHeaderBytes = 14
const etherTypeIpv4 = 0x0800
const ethernetLink = 1
const microsecondsLittleEndian = 0xa1b2c3d4

/** The IPv4 TCP and UDP packets of a pcap file as tcpdump writes it here: Ethernet, microseconds, this machine's byte order. */
export function readPcap(file: Buffer): CapturedPacket[] {
  if (file.length < fileHeaderBytes) return [] // tcpdump has not got that far
  if (file.readUInt32LE(0) !== microsecondsLittleEndian || file.readUInt32LE(20) !== ethernetLink) {
    throw new LabError('LAB_COMMAND', 'the capture is no Ethernet pcap file of this machine')
  }
  const packets: CapturedPacket[] = []
  let offset = fileHeaderBytes
  while (offset + recordHeaderBytes <= file.length) {
    const time = file.readUInt32LE(offset) * 1000 + file.readUInt32LE(offset + 4) / 1000
    const start = offset + recordHeaderBytes
    const end = start + file.readUInt32LE(offset + 8)
    if (end > file.length) break // still being written
    const packet = readFrame(file.subarray(start, end), time)
    if (packet !== undefined) packets.push(packet)
    offset = end
  }
  return packets
}

function readFrame(frame: Buffer, time: number): CapturedPacket | undefined {
  if (frame.length < ethernetHeaderBytes + 20 || frame.readUInt16BE(12) !== etherTypeIpv4) return undefined
  // Short frames are padded: only the length in the IP header says where the packet ends.
  const packet = frame.subarray(ethernetHeaderBytes)
  const ip = packet.subarray(0, packet.readUInt16BE(2))
  const headerBytes = (ip[0]! & 0x0f) * 4
  const protocol = ip[9] === 6 ? 'tcp' : ip[9] === 17 ? 'udp' : undefined
  const later = (ip.readUInt16BE(6) & 0x1fff) !== 0 // a further fragment has no ports
  if (protocol === undefined || later) return undefined
  const segment = ip.subarray(headerBytes)
  if (segment.length < (protocol === 'tcp' ? 20 : 8)) return undefined
  const payloadOffset = protocol === 'tcp' ? (segment[12]! >> 4) * 4 : 8
  const address = (at: number): string => [...ip.subarray(at, at + 4)].join('.')
  return {
    time,
    protocol,
    source: { ip: address(12), port: segment.readUInt16BE(0) },
    destination: { ip: address(16), port: segment.readUInt16BE(2) },
    payload: Buffer.from(segment.subarray(payloadOffset))
  }
}
