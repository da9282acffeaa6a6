import { createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { context, encodeDer, objectIds, tags } from './der.ts'

/** A key of its own for every request; PEM, the key as PKCS#8. */
export interface CertificateRequest {
  readonly csr: string
  readonly privateKey: string
}

/**
 * A request as the node proxy makes it (docs/spec/identity-ca.md 2.2): ECDSA P-256 with SHA-256, empty subject, and
 * one attribute with one extension, the critical subject alternative name holding `identity` as URI.
 */
export async function createCsr(identity: string): Promise<CertificateRequest> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const info = requestInfo(identity, privateKey)
  const algorithm = encodeDer(tags.sequence, encodeDer(tags.objectId, objectIds.ecdsaWithSha256))
  // No unused bits, then the signature.
  const signature = encodeDer(tags.bitString, Buffer.of(0), sign('sha256', info, privateKey))
  const request = encodeDer(tags.sequence, info, algorithm, signature)
  return {
    csr: `-----BEGIN CERTIFICATE REQUEST-----\n${lines(request)}\n-----END CERTIFICATE REQUEST-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** CertificationRequestInfo, RFC 2986 4.1. */
function requestInfo(identity: string, privateKey: KeyObject): Buffer {
  const name = encodeDer(tags.sequence, encodeDer(tags.uri, Buffer.from(identity)))
  const critical = encodeDer(tags.boolean, Buffer.of(0xff))
  const extension = encodeDer(
    tags.sequence,
    encodeDer(tags.objectId, objectIds.subjectAltName),
    critical,
    encodeDer(tags.octetString, name)
  )
  const attribute = encodeDer(
    tags.sequence,
    encodeDer(tags.objectId, objectIds.extensionRequest),
    encodeDer(tags.set, encodeDer(tags.sequence, extension))
  )
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const version = encodeDer(tags.integer, Buffer.of(0))
  const emptySubject = encodeDer(tags.sequence)
  return encodeDer(tags.sequence, version, emptySubject, publicKey, encodeDer(context(0), attribute))
}

const lines = (der: Buffer): string => der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
