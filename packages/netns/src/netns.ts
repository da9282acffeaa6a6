import fs from 'node:fs'
import * as native from '@culvert/native-netns'
import { NetnsError, systemError } from './errors.ts'

/** An open network namespace. Holding it open keeps the namespace, and so its identity, alive. */
export interface Netns {
  /** The descriptor. After `close` reading it throws. */
  readonly fd: number
  /** Inode and device together identify the namespace for as long as somebody holds it. */
  readonly inode: bigint
  readonly device: bigint
  /** Repeatable. */
  close(): void
  [Symbol.dispose](): void
}

/** Opens a namespace file such as `/var/run/netns/cni-5b2e` or `/proc/1/ns/net`; refuses any other kind of file. */
export function openNetns(path: string): Netns {
  let fd: number
  try {
    // Non-blocking, so that a FIFO in this place cannot hang the process.
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  } catch (error) {
    throw systemError(`open network namespace '${path}'`, error)
  }
  try {
    if (!isNetworkNamespace(fd)) {
      throw new NetnsError('NETNS_NOT_A_NETWORK_NAMESPACE', `'${path}' is not a network namespace`)
    }
    return netnsFromFd(fd)
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/**
 * Takes ownership of a descriptor. What kind of namespace it is is not checked (docs/spec/zds.md 1.4: the protocol
 * accepts any descriptor, making sockets in it then fails); ask `isNetworkNamespace`. On an error the descriptor stays
 * the caller's.
 */
export function netnsFromFd(fd: number): Netns {
  let stat: fs.BigIntStats
  try {
    stat = fs.fstatSync(fd, { bigint: true })
  } catch (error) {
    throw systemError(`inspect network namespace descriptor ${fd}`, error)
  }
  return new NetnsHandle(fd, stat.ino, stat.dev)
}

/** The network namespace of the JavaScript thread. */
export function currentNetns(): Netns {
  return openNetns('/proc/thread-self/ns/net')
}

/** A new, anonymous network namespace, its loopback interface down. It lives as long as the handle or a process in it. */
export function createNetns(): Netns {
  try {
    return netnsFromFd(native.createNetns())
  } catch (error) {
    throw systemError('create a network namespace', error)
  }
}

/** A second, independent handle of the same namespace, to be closed on its own. */
export function duplicateNetns(netns: Netns): Netns {
  try {
    return netnsFromFd(native.duplicate(netns.fd))
  } catch (error) {
    throw systemError('duplicate a network namespace descriptor', error)
  }
}

/** Whether both are the same namespace: same inode on the same device. */
export function sameNetns(a: Netns, b: Netns): boolean {
  return a.inode === b.inode && a.device === b.device
}

/** ioctl NS_GET_NSTYPE says CLONE_NEWNET; false for anything that is no namespace. */
export function isNetworkNamespace(fd: number): boolean {
  try {
    return native.namespaceType(fd) === native.constants.CLONE_NEWNET
  } catch {
    // ENOTTY: some other file. Whatever the reason, it did not prove to be one.
    return false
  }
}

/**
 * Makes SYNCHRONOUS calls with the thread inside the namespace: readFileSync of /proc/sys/net, os.networkInterfaces,
 * spawn (a child inherits the namespace). Nothing asynchronous: libuv's worker threads never leave their namespace,
 * so fs.promises or dns inside `call` would silently act outside. The thread is back before this returns; failing to
 * get back aborts the process, since every later socket would be made in the wrong place.
 */
export function inNetns<T>(netns: Netns, call: () => T): T {
  const fd = netns.fd
  let entered = false
  let result: T
  try {
    result = native.withNetns(fd, () => {
      entered = true
      return call()
    })
  } catch (error) {
    if (entered) throw error
    throw systemError('enter a network namespace', error)
  }
  if (result instanceof Promise) {
    // The work has begun in the wrong place already: its outcome is of no use, but must not become an unhandled one.
    result.catch(() => {})
    throw new NetnsError('NETNS_ASYNC_CALL', 'inNetns makes synchronous calls only, this one returned a promise')
  }
  return result
}

class NetnsHandle implements Netns {
  readonly inode: bigint
  readonly device: bigint
  #fd: number

  constructor(fd: number, inode: bigint, device: bigint) {
    this.#fd = fd
    this.inode = inode
    this.device = device
  }

  get fd(): number {
    // Without this check a descriptor number reused by another file would be taken for the namespace.
    if (this.#fd < 0) throw new NetnsError('NETNS_CLOSED', `network namespace ${this.inode} was closed before`)
    return this.#fd
  }

  close(): void {
    if (this.#fd < 0) return
    const fd = this.#fd
    this.#fd = -1
    fs.closeSync(fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
