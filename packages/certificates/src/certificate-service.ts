import { readFileSync } from 'node:fs'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

/** docs/spec/identity-ca.md 2.1; the metadata's only two keys of meaning are lifted out of the Struct. */
export interface CertificateRequestMessage {
  readonly csr: string
  /** Seconds; zero or less asks for the server's default. */
  readonly validitySeconds: number
  /** Undefined when absent, empty or no string. */
  readonly impersonatedIdentity: string | undefined
}

export interface CertificateResponseMessage {
  readonly certChain: readonly string[]
}

const { root } = protobuf.parse(readFileSync(new URL('../proto/certificate-service.proto', import.meta.url), 'utf8'))
const requestType = root.lookupType('istio.v1.auth.IstioCertificateRequest')
const responseType = root.lookupType('istio.v1.auth.IstioCertificateResponse')

const impersonationKey = 'ImpersonatedIdentity'

function encodeCertificateRequest(request: CertificateRequestMessage): Buffer {
  const { csr, validitySeconds, impersonatedIdentity } = request
  const metadata = { fields: { [impersonationKey]: { stringValue: impersonatedIdentity } } }
  const message = {
    csr,
    validityDuration: validitySeconds,
    ...(impersonatedIdentity === undefined ? {} : { metadata })
  }
  return Buffer.from(requestType.encode(requestType.fromObject(message)).finish())
}

function decodeCertificateRequest(bytes: Uint8Array): CertificateRequestMessage {
  const message = requestType.toObject(requestType.decode(bytes), { longs: Number, defaults: false }) as {
    csr?: string
    validityDuration?: number
    metadata?: { fields?: Record<string, { stringValue?: string }> }
  }
  const fields = message.metadata?.fields ?? {}
  const wanted = Object.hasOwn(fields, impersonationKey) ? fields[impersonationKey]?.stringValue : undefined
  return {
    csr: message.csr ?? '',
    validitySeconds: message.validityDuration ?? 0,
    impersonatedIdentity: wanted === '' ? undefined : wanted
  }
}

function encodeCertificateResponse(response: CertificateResponseMessage): Buffer {
  return Buffer.from(responseType.encode(responseType.fromObject({ certChain: response.certChain })).finish())
}

function decodeCertificateResponse(bytes: Uint8Array): CertificateResponseMessage {
  const message = responseType.toObject(responseType.decode(bytes), { arrays: true }) as { certChain: string[] }
  return { certChain: message.certChain }
}

export const createCertificateMethod: MethodDefinition<CertificateRequestMessage, CertificateResponseMessage> = {
  path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
  requestStream: false,
  responseStream: false,
  requestSerialize: encodeCertificateRequest,
  requestDeserialize: decodeCertificateRequest,
  responseSerialize: encodeCertificateResponse,
  responseDeserialize: decodeCertificateResponse
}

/** For `server.addService`. */
export const certificateServiceDefinition: ServiceDefinition = { createCertificate: createCertificateMethod }
