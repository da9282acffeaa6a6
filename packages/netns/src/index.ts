/**
 * Linux network namespaces, sockets made inside them, and SEQPACKET sockets that carry file descriptors.
 *
 *     using pod = openNetns('/var/run/netns/cni-5b2e')
 *     const { fd } = listenTcp(pod, { ip: '::', port: 15008, mark: 0x539, reusePort: true, transparent: 'auto' })
 *     net.createServer(onConnection).listen({ fd }, 128)
 *     const addresses = inNetns(pod, () => os.networkInterfaces())
 */
export { type Address, formatAddress, unmapAddress } from './address.ts'
export { type ConnectOptions, connectTcp } from './connect.ts'
export { reserveDescriptors } from './descriptors.ts'
export { NetnsError, type NetnsErrorCode } from './errors.ts'
export type { KeepaliveOptions, DeadPeerOptions } from './keepalive.ts'
export { bindUdp, type ListenOptions, listenTcp } from './listen.ts'
export {
  createNetns,
  currentNetns,
  duplicateNetns,
  inNetns,
  isNetworkNamespace,
  type Netns,
  netnsFromFd,
  openNetns,
  sameNetns
} from './netns.ts'
export { originalDestination } from './original-destination.ts'
export { type RunOptions, type RunResult, run } from './run-program.ts'
export { listenSeqpacket, type SeqpacketListener, type SeqpacketListenOptions } from './seqpacket-listener.ts'
export { connectSeqpacket, type SeqpacketPacket, type SeqpacketSocket } from './seqpacket-socket.ts'
