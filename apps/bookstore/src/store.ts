import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * A store with a plain TCP protocol in which the server speaks first: `STORE 1`, then for each line
 * `GET <key>` a line `VALUE <json>` or `MISSING <key>`.
 */
export function startStore({ port }: { port: number }): void {
  const values = new Map([['ratings/0', '{"Reviewer1":5,"Reviewer2":4}']])
  const server = createServer(socket => {
    const from = socket.remoteAddress?.replace('::ffff:', '')
    console.log(`store: connection from ${from}`)
    socket.write('STORE 1\n')
    const lines = createInterface({ input: socket })
    lines.on('line', line => {
      const [verb, key = ''] = line.trim().slice(0, 200).split(' ')
      if (verb !== 'GET') socket.write('ERROR expected GET <key>\n')
      else socket.write(values.has(key) ? `VALUE ${values.get(key)}\n` : `MISSING ${key}\n`)
    })
    // The reader of lines passes the socket's errors on.
    lines.on('error', error => console.log(`store: connection from ${from}: ${error.message}`))
  })
  server.listen(port, () => console.log(`store: listening on ${port}`))
}
