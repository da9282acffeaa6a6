import { createServer, get, type Server } from 'node:http'

/** One line per request on stdout, JSON in and out, errors as 502 with their cause. */
export function serveJson(
  name: string,
  port: number,
  handlers: Record<string, (id: string) => Promise<unknown> | unknown>
): Server {
  const server = createServer((request, response) => {
    const started = Date.now()
    const [, route = '', id = ''] = (request.url ?? '/').split('/')
    const handler = Object.hasOwn(handlers, route) ? handlers[route] : undefined
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
      const from = request.socket.remoteAddress?.replace('::ffff:', '')
      console.log(`${name}: ${request.method} ${request.url} from ${from} ${status} ${Date.now() - started}ms`)
    }
    if (handler === undefined) return answer(404, { error: `${name} has no ${request.url}` })
    Promise.resolve()
      .then(() => handler(id))
      .then(
        body => answer(200, body),
        (error: Error) => answer(502, { error: error.message })
      )
  })
  server.listen(port, () => console.log(`${name}: listening on ${port}`))
  return server
}

/** A new connection for every request: each shows up in the mesh. */
export function getJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 5000 }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => {
        if (response.statusCode !== 200)
          return reject(new Error(`${url} answered ${response.statusCode}: ${body.trim()}`))
        resolve(JSON.parse(body))
      })
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`${url} did not answer within 5 s`)))
    request.on('error', error => reject(new Error(`${url}: ${error.message}`, { cause: error })))
  })
}
