import fs from 'node:fs'
import type { SeqpacketPacket } from '@culvert/netns'
import { ZdsError } from './errors.ts'
import { decodeRequest, maxPacketBytes, type ZdsRequest } from './messages.ts'

/** A request with what came along: exactly one descriptor with an add, none with anything else. */
export type ReceivedRequest =
  | { readonly request: ZdsRequest & { kind: 'add' }; readonly fd: number }
  | { readonly request: Exclude<ZdsRequest, { kind: 'add' }>; readonly fd: undefined }

/**
 * Judges one packet by the rules of docs/spec/zds.md 1.4, descriptors first. On any error every descriptor that came
 * with it is closed; on success it belongs to the caller.
 */
export function readRequest(packet: SeqpacketPacket): ReceivedRequest {
  try {
    if (packet.controlTruncated) {
      throw new ZdsError('ZDS_BAD_PACKET', 'ENOBUFS: the control data does not fit one descriptor')
    }
    if (packet.truncated) throw new ZdsError('ZDS_BAD_PACKET', `the packet is longer than ${maxPacketBytes} bytes`)
    const request = decodeRequest(packet.bytes)
    if (request.kind !== 'add') {
      if (packet.fds.length > 0) throw new ZdsError('ZDS_BAD_PACKET', 'Unexpected control message')
      return { request, fd: undefined }
    }
    const [fd] = packet.fds
    if (fd === undefined) throw new ZdsError('ZDS_BAD_PACKET', 'No control message')
    if (packet.fds.length > 1) throw new ZdsError('ZDS_BAD_PACKET', `Expected 1 FD, got ${packet.fds.length}`)
    return { request, fd }
  } catch (error) {
    for (const fd of packet.fds) fs.closeSync(fd)
    throw error
  }
}
