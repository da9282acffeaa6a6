import type { WebSocket } from 'ws'
import type { OpenPort } from './port-forward.ts'

/** What a client may have unread before its target is paused. */
const highWater = 1024 * 1024

/**
 * Port-forward in WebSocket channels (v4.channel.k8s.io), as @kubernetes/client-node does it: for the n-th port the
 * channel 2n carries data and 2n+1 errors, each message beginning with its channel. The first message of each channel
 * repeats the port, as 16 bits little-endian.
 */
export async function forwardChannels(socket: WebSocket, ports: readonly number[], openPort: OpenPort): Promise<void> {
  const open = await Promise.all(ports.map((port, index) => forwardPort(socket, port, index * 2, openPort)))
  const targets = open.filter(target => target !== undefined)
  let left = targets.length
  for (const target of targets) {
    target.once('close', () => {
      left -= 1
      if (left === 0) socket.close(1000)
    })
  }
  if (left === 0) socket.close(1000)
}

async function forwardPort(
  socket: WebSocket,
  port: number,
  channel: number,
  openPort: OpenPort
): Promise<Awaited<ReturnType<OpenPort>> | undefined> {
  const send = (to: number, bytes: Buffer): void => {
    if (socket.readyState === socket.OPEN) socket.send(Buffer.concat([Buffer.from([to]), bytes]))
  }
  const announced = Buffer.alloc(2)
  announced.writeUInt16LE(port)
  const early: Buffer[] = []
  let deliver = (bytes: Buffer): void => void early.push(bytes)
  socket.on('message', message => {
    const bytes = message as Buffer
    if (bytes[0] === channel) deliver(bytes.subarray(1))
  })
  send(channel, announced)
  send(channel + 1, announced)
  try {
    const target = await openPort(port)
    deliver = bytes => {
      if (!target.write(bytes)) {
        socket.pause()
        target.once('drain', () => socket.resume())
      }
    }
    for (const bytes of early) deliver(bytes)
    target.on('data', (bytes: Buffer) => {
      send(channel, bytes)
      if (socket.bufferedAmount < highWater) return
      target.pause()
      const timer = setInterval(() => {
        // ws tells of no drain; a paused target costs nothing while it waits.
        if (socket.bufferedAmount >= highWater && socket.readyState === socket.OPEN) return
        clearInterval(timer)
        target.resume()
      }, 20)
    })
    target.on('error', error => send(channel + 1, Buffer.from(error.message)))
    socket.once('close', () => target.destroy())
    return target
  } catch (error) {
    send(
      channel + 1,
      Buffer.from(`error forwarding port ${port}: ${error instanceof Error ? error.message : String(error)}`)
    )
    return undefined
  }
}
