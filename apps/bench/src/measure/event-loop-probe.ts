/**
 * Imported by a proxy that is measured, before its own program: while somebody is connected to the socket, every turn of
 * its event loop is looked at; the answer is the longest. Not connected, it does nothing.
 */
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'

/** Of the container. */
const socketPath = '/tmp/culvert-bench-event-loop.sock'
const interval = 1

// The program's children inherit the environment, and with it this module.
if (process.argv[1]?.endsWith('main.ts')) {
  rmSync(socketPath, { force: true })
  const server = createServer({ allowHalfOpen: true }, socket => {
    const worked = (): number => {
      const { user, system } = process.threadCpuUsage()
      return (user + system) / 1_000
    }
    let [pause, work] = [0, 0]
    let [time, busy] = [performance.now(), worked()]
    const look = (): void => {
      const [now, nowBusy] = [performance.now(), worked()]
      pause = Math.max(pause, now - time - interval)
      work = Math.max(work, nowBusy - busy)
      ;[time, busy] = [now, nowBusy]
    }
    const timer = setInterval(look, interval)
    socket.on('end', () => {
      look()
      clearInterval(timer)
      socket.end(JSON.stringify({ pause, work }))
    })
    socket.on('error', () => clearInterval(timer))
    socket.resume()
  })
  server.listen(socketPath)
  server.unref()
}
