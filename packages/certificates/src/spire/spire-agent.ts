import { type Clock, systemClock } from '@culvert/clock'
import {
  Client,
  type ClientReadableStream,
  credentials,
  type MethodDefinition,
  type ServiceError,
  status
} from '@grpc/grpc-js'
import { CertificateError } from '../errors.ts'
import {
  type BundlesResponse,
  delegatedIdentityDefinition,
  type Selector,
  type SvidsResponse
} from './delegated-identity.ts'

/** What a subscription says; each update is the whole state and replaces the last. */
export interface Subscriber<Update> {
  readonly update: (update: Update) => void
  /** `retryInMs` undefined: it is not tried again. */
  readonly failed: (error: CertificateError, retryInMs: number | undefined) => void
}

/** A SPIRE agent's Delegated Identity API. The returned functions end a subscription. */
export interface SpireAgent {
  readonly svids: (selectors: readonly Selector[], subscriber: Subscriber<SvidsResponse>) => () => void
  readonly bundles: (subscriber: Subscriber<BundlesResponse>) => () => void
  readonly close: () => void
}

/** The wait grows by the first of these up to the second; any message starts it anew (docs/spec/identity-ca.md 5.1). */
const step = 1_000
const longest = 30_000

/** @param options.socket path of the agent's admin socket. */
export function connectSpireAgent({
  socket,
  clock = systemClock
}: {
  readonly socket: string
  readonly clock?: Clock
}): SpireAgent {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A failed call reconnects at the pace below, not at one of its own.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000
  })

  function subscribe<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    request: Request,
    { update, failed }: Subscriber<Response>
  ): () => void {
    let failures = 0
    let over = false
    let call: ClientReadableStream<Response> | undefined
    let cancelRetry = (): void => {}

    function open(): void {
      let ended = false
      const end = (error: CertificateError, again: boolean): void => {
        if (over || ended) return
        ended = true
        failures += 1
        const wait = Math.min(failures * step, longest)
        if (again) cancelRetry = clock.after(wait, open)
        failed(error, again ? wait : undefined)
      }
      call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
      call.on('data', (response: Response) => {
        if (over) return
        failures = 0
        update(response)
      })
      call.on('error', (error: ServiceError) => end(agentError(error), error.code !== status.INVALID_ARGUMENT))
      call.on('end', () => end(new CertificateError('CERTIFICATE_SIGNING', 'the SPIRE agent ended the stream'), true))
    }

    open()
    return () => {
      over = true
      cancelRetry()
      call?.cancel()
    }
  }

  return {
    svids: (selectors, subscriber) =>
      subscribe(delegatedIdentityDefinition.subscribeToX509Svids, { selectors }, subscriber),
    bundles: subscriber => subscribe(delegatedIdentityDefinition.subscribeToX509Bundles, {}, subscriber),
    close: () => client.close()
  }
}

const agentError = (error: ServiceError): CertificateError =>
  new CertificateError('CERTIFICATE_SIGNING', `SPIRE agent (${status[error.code]}): ${error.details}`, { cause: error })
