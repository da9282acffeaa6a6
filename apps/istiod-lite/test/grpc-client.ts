import { createCsr } from '@culvert/spiffe'
import { createCertificateMethod, type CertificateResponseMessage } from '@culvert/certificates'
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
  discoveryServiceDefinition
} from '@culvert/workloads'
import {
  ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError
} from '@grpc/grpc-js'

export interface ClientIdentity {
  readonly certificateChain: string
  readonly privateKey: string
}

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

export function secureCredentials(root: string, identity?: ClientIdentity): ChannelCredentials {
  const [key, chain] = identity
    ? [Buffer.from(identity.privateKey), Buffer.from(identity.certificateChain)]
    : [null, null]
  return credentials.createSsl(Buffer.from(root), key, chain)
}

export function connect(port: number, channel: ChannelCredentials): Client {
  return new Client(`127.0.0.1:${port}`, channel, {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
    'grpc.default_authority': 'istiod.istio-system.svc',
    // Tests start and stop servers on their own ports; channels must not be shared between them.
    'grpc.use_local_subchannel_pool': 1
  })
}

export interface Stream<Request, Response> extends Disposable {
  send(request: Request): void
  /** The next response, in order; rejects with the gRPC error that ended the stream. */
  next(): Promise<Response>
  /** Whether a response is waiting. */
  readonly waiting: number
}

export type XdsStream = Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

export const openXds = (client: Client, headers: Readonly<Record<string, string>> = {}): XdsStream =>
  openStream(client, discoveryServiceDefinition.deltaAggregatedResources, headers)

/** State of the world, as istioctl asks. */
export const openStatus = (
  client: Client,
  headers: Readonly<Record<string, string>> = {}
): Stream<DiscoveryRequest, DiscoveryResponse> =>
  openStream(client, discoveryServiceDefinition.streamAggregatedResources, headers)

function openStream<Request, Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
  headers: Readonly<Record<string, string>>
): Stream<Request, Response> {
  const call: ClientDuplexStream<Request, Response> = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    metadataOf(headers)
  )
  const responses: Response[] = []
  const waiters: { resolve: (r: Response) => void; reject: (e: Error) => void }[] = []
  let failure: Error | undefined
  call.on('data', (response: Response) => {
    const waiter = waiters.shift()
    if (waiter === undefined) responses.push(response)
    else waiter.resolve(response)
  })
  const end = (error: Error): void => {
    failure ??= error
    for (const waiter of waiters.splice(0)) waiter.reject(failure)
  }
  call.on('error', end)
  call.on('end', () => end(new Error('the stream ended')))
  return {
    send: request => void call.write(request),
    get waiting() {
      return responses.length
    },
    next() {
      const ready = responses.shift()
      if (ready !== undefined) return Promise.resolve(ready)
      if (failure !== undefined) return Promise.reject(failure)
      return new Promise((resolve, reject) => waiters.push({ resolve, reject }))
    },
    [Symbol.dispose]() {
      call.on('error', () => {})
      call.cancel()
      client.close()
    }
  }
}

export interface CertificateOptions {
  readonly csr?: string
  readonly validitySeconds?: number
  readonly impersonate?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One CreateCertificate call; rejects with the ServiceError. */
export async function requestCertificate(
  client: Client,
  options: CertificateOptions
): Promise<{ chain: readonly string[]; privateKey: string }> {
  const fresh = await createCsr('spiffe://evil/ns/a/sa/b')
  const { path, requestSerialize, responseDeserialize } = createCertificateMethod
  const request = {
    csr: options.csr ?? fresh.csr,
    validitySeconds: options.validitySeconds ?? 0,
    impersonatedIdentity: options.impersonate
  }
  const response = await new Promise<CertificateResponseMessage>((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(options.headers ?? {}),
      (error: ServiceError | null, value?: CertificateResponseMessage) =>
        error === null && value !== undefined ? resolve(value) : reject(error)
    )
  })
  return { chain: response.certChain, privateKey: fresh.privateKey }
}

/** A ztunnel as it introduces itself (docs/spec/workload-xds.md 1.3). */
export function ztunnelNode(
  o: { pod?: string; namespace?: string; nodeName?: string } = {}
): DeltaDiscoveryRequest['node'] & object {
  const { pod = 'ztunnel-1', namespace = 'istio-system', nodeName = 'n1' } = o
  return {
    id: `ztunnel~10.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`,
    metadata: {
      NAME: pod,
      NAMESPACE: namespace,
      INSTANCE_IPS: '10.0.0.1',
      NODE_NAME: nodeName,
      CLUSTER_ID: 'Kubernetes',
      ENABLE_HBONE: 'true'
    }
  }
}
