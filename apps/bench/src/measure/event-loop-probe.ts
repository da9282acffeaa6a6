/**
 * Imported by a proxy that is measured, before its own program: while somebody is connected to the socket, every turn of
 * its event loop is looked at; the answer is the longest. Not connected, it does nothing.
 */
import { openSync, readSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'

/** Of the container. */
const socketPath = '/tmp/culvert-bench-event-loop.sock'
const interval = 1

// The program's children inherit the environment, and with it this module.
if (process.argv[1]?.endsWith('main.ts')) {
  rmSync(socketPath, { force: true })
  // Of the main thread (Documentation/scheduler/sched-stats.rst): nanoseconds run, nanoseconds waited for a processor.
  const schedstat = openSync('/proc/self/schedstat', 'r')
  const text = Buffer.alloc(64)
  const waited = (): number =>
    Number(text.toString('latin1', 0, readSync(schedstat, text, 0, 64, 0)).split(' ')[1]) / 1e6
  const server = createServer({ allowHalfOpen: true }, socket => {
    const worked = (): number => {
      const { user, system } = process.threadCpuUsage()
      return (user + system) / 1_000
    }
    let [pause, work, wait] = [0, 0, 0]
    let [time, busy, idle] = [performance.now(), worked(), waited()]
    const look = (): void => {
      const [now, nowBusy, nowIdle] = [performance.now(), worked(), waited()]
      if (now - time - interval > pause) [pause, wait] = [now - time - interval, nowIdle - idle]
      work = Math.max(work, nowBusy - busy)
      ;[time, busy, idle] = [now, nowBusy, nowIdle]
    }
    const timer = setInterval(look, interval)
    socket.on('end', () => {
      look()
      clearInterval(timer)
      socket.end(JSON.stringify({ pause, work, wait }))
    })
    socket.on('error', () => clearInterval(timer))
    socket.resume()
  })
  server.listen(socketPath)
  server.unref()
}
