// A small server for tests: HTTP that says who it is, and a TCP echo.
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'

const { PORT = '8080', ECHO_PORT = '9000', ANSWER = os.hostname() } = process.env

const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url} from ${request.socket.remoteAddress}`)
  if (request.url === '/fail') response.statusCode = 500
  response.end(`${ANSWER}\n`)
})
const echo = net.createServer({ allowHalfOpen: true }, socket => {
  socket.on('error', () => {}) // the peer gave up; there is nobody to answer
  socket.pipe(socket)
})
server.listen(Number(PORT), () => console.log(`listening on ${PORT}`))
echo.listen(Number(ECHO_PORT))
process.on('SIGTERM', () => process.exit(0))
