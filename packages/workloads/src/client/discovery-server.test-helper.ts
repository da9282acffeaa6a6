import 'reflect-metadata'
import { subtle, type webcrypto } from 'node:crypto'
import { type Metadata, Server, ServerCredentials, type ServerDuplexStream, type status } from '@grpc/grpc-js'
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import { discoveryServiceDefinition, encodeDeltaResponse } from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '../messages/discovery-messages.ts'

const { deltaAggregatedResources } = discoveryServiceDefinition
const definition = {
  deltaAggregatedResources: {
    ...deltaAggregatedResources,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes
  }
}

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, Buffer>

/** A control plane over real TLS that says only what the test tells it to. */
export interface TestServer extends AsyncDisposable {
  readonly address: string
  readonly roots: string
  /** The next stream a client opens. */
  readonly accept: () => Promise<TestStream>
}

export interface TestStream {
  readonly metadata: Metadata
  readonly request: () => Promise<DeltaDiscoveryRequest>
  /** How many requests wait to be read. */
  readonly pending: () => number
  readonly send: (response: DeltaDiscoveryResponse) => void
  /** Whatever they are. */
  readonly sendBytes: (bytes: Buffer) => void
  readonly end: () => void
  readonly fail: (code: status, details: string) => void
}

/** `refuse`: answers every stream with this instead of accepting it. */
export async function startTestServer({
  hostname = 'localhost',
  refuse
}: {
  hostname?: string
  refuse?: { code: status; details: string }
} = {}): Promise<TestServer> {
  const { certificate, privateKey } = await selfSigned(hostname)
  const streams = createQueue<TestStream>()
  const server = new Server({ 'grpc.max_receive_message_length': 4 * 1024 * 1024 })
  server.addService(definition, {
    deltaAggregatedResources(stream: Stream) {
      const accepted = testStream(stream)
      if (refuse) accepted.fail(refuse.code, refuse.details)
      else streams.push(accepted)
    }
  })
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(certificate), private_key: Buffer.from(privateKey) }
  ])
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return {
    address: `https://localhost:${port}`,
    roots: certificate,
    accept: streams.next,
    async [Symbol.asyncDispose]() {
      server.forceShutdown()
    }
  }
}

function testStream(stream: Stream): TestStream {
  const requests = createQueue<DeltaDiscoveryRequest>()
  stream.on('data', requests.push)
  stream.on('error', () => {})
  return {
    metadata: stream.metadata,
    request: requests.next,
    pending: requests.size,
    send: response => stream.write(Buffer.from(encodeDeltaResponse(response))),
    sendBytes: bytes => stream.write(bytes),
    end: () => stream.end(),
    fail: (code, details) => stream.emit('error', { code, details })
  }
}

interface Queue<Value> {
  readonly push: (value: Value) => void
  readonly next: () => Promise<Value>
  readonly size: () => number
}

function createQueue<Value>(): Queue<Value> {
  const values: Value[] = []
  const takers: ((value: Value) => void)[] = []
  return {
    push(value) {
      const taker = takers.shift()
      if (taker) taker(value)
      else values.push(value)
    },
    next() {
      const value = values.shift()
      return value === undefined ? new Promise(resolve => takers.push(resolve)) : Promise.resolve(value)
    },
    size: () => values.length
  }
}

/** PEM. The certificate is its own root. */
export async function selfSigned(hostname: string): Promise<{ certificate: string; privateKey: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test control plane',
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: hostname }])
    ]
  })
  const pkcs8 = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificate: made.toString('pem'),
    privateKey: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`
  }
}
