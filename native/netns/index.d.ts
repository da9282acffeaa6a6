/**
 * System calls for network namespaces, sockets and SEQPACKET messages. Each call throws an Error whose `code` is the
 * errno name and whose `syscall` says what failed. Nothing is decided here: that is the work of packages/netns.
 */
export interface SocketAddress {
  ip: string
  port: number
}

/** Numbers of <sys/socket.h>, <netinet/in.h>, <linux/netfilter_ipv4.h> as this machine's headers have them. */
export const constants: {
  readonly AF_INET: number
  readonly AF_INET6: number
  readonly AF_UNIX: number
  readonly SOCK_STREAM: number
  readonly SOCK_DGRAM: number
  readonly SOCK_SEQPACKET: number
  readonly SOL_SOCKET: number
  readonly SOL_IP: number
  readonly SOL_IPV6: number
  readonly SOL_TCP: number
  readonly SO_KEEPALIVE: number
  readonly SO_MARK: number
  readonly SO_ORIGINAL_DST: number
  readonly SO_REUSEADDR: number
  readonly SO_REUSEPORT: number
  readonly IP_FREEBIND: number
  readonly IP_TRANSPARENT: number
  readonly IPV6_FREEBIND: number
  readonly IPV6_TRANSPARENT: number
  readonly TCP_KEEPCNT: number
  readonly TCP_KEEPIDLE: number
  readonly TCP_KEEPINTVL: number
  readonly TCP_NODELAY: number
  readonly TCP_USER_TIMEOUT: number
  readonly CLONE_NEWNET: number
}

/** ioctl NS_GET_NSTYPE: the CLONE_NEW… flag of the namespace behind the descriptor. */
export function namespaceType(fd: number): number
/** A descriptor of a new network namespace. The calling thread is back in its own before this returns. */
export function createNetns(): number
/** Calls `call` with the thread inside the namespace. A thread that cannot return to its own aborts the process. */
export function withNetns<T>(fd: number, call: () => T): T
/** fcntl F_DUPFD_CLOEXEC: the lowest free number that is at least `least`, 0 if absent. */
export function duplicate(fd: number, least?: number): number

/** A non-blocking, close-on-exec socket made in the namespace `netns` (-1: the thread's own). */
export function socket(netns: number, family: number, type: number): number
export function setsockopt(fd: number, level: number, name: number, value: number): void
export function getsockopt(fd: number, level: number, name: number): number
/** A socket option that holds an address; undefined if the call fails. */
export function getsockoptAddress(fd: number, level: number, name: number): SocketAddress | undefined
export function bindInet(fd: number, ip: string, port: number): void
export function listen(fd: number, backlog: number): void

export function bindUnix(fd: number, path: string): void
export function connectUnix(fd: number, path: string): void
/** -1: nothing to accept now. */
export function accept(fd: number): number
/** One packet; false: the peer's queue is full now. */
export function sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[]): boolean

export interface Message {
  bytes: Buffer
  /** Every descriptor that arrived, close-on-exec, now owned by the caller. */
  fds: number[]
  /** MSG_TRUNC: the packet was longer than `maxBytes`. */
  truncated: boolean
  /** MSG_CTRUNC: control data did not fit the room for `maxFds` descriptors. */
  controlTruncated: boolean
  hadControl: boolean
}
/** One packet with its control data; undefined: nothing there now. */
export function receiveMessage(fd: number, maxBytes: number, maxFds: number): Message | undefined

export const READABLE: 1
export const WRITABLE: 2
/** uv_poll of a descriptor that stays the caller's. */
export class Poll {
  constructor(fd: number, ready: (events: number) => void)
  /** Which events to report from now on; 0: none. */
  set(events: number): void
  /** Stops for good; afterwards the descriptor may be closed. */
  close(): void
}
