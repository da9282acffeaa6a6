import { once } from 'node:events'
import net from 'node:net'
import { parentPort } from 'node:worker_threads'
import { createDataPath } from '../native-data-path.ts'
import { TestPod } from './test-pod.ts'

// A program with a connection through the engine in its midst, in a process or a worker thread of its own. It says so
// and then waits for its end, which is not by `close`.
const application = net.createServer(socket => socket.pipe(socket).on('error', () => {}))
application.listen(0, '127.0.0.1')
await once(application, 'listening')
const { port } = application.address() as net.AddressInfo

const dataPath = createDataPath({ log: { warn: () => {}, debug: () => {} }, threads: 3 })
const pod = await TestPod.open(dataPath, { connection: () => ({ kind: 'direct', to: { ip: '127.0.0.1', port } }) })
const socket = net.connect(pod.address('inbound-plaintext').port, '127.0.0.1')
socket.on('error', () => {})
socket.write('x')
await once(socket, 'data')
// Events of it may come at any moment.
setInterval(() => socket.write('x'), 1)

if (parentPort !== null) parentPort.postMessage('live')
else process.send?.('live')
process.on('message', status => process.exit(Number(status)))
