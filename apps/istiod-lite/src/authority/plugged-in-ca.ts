import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { parseCertificates } from '@culvert/spiffe'
import { IstiodError } from '../errors.ts'
import type { KeyMaterial } from './key-material.ts'

interface FileNames {
  readonly certificate: string
  readonly key: string
  readonly chain: readonly string[]
  readonly root: string
}

const istioNames: FileNames = {
  certificate: 'ca-cert.pem',
  key: 'ca-key.pem',
  chain: ['cert-chain.pem'],
  root: 'root-cert.pem'
}
// The chain is put together: a kubernetes.io/tls Secret has no file for it.
const tlsNames: FileNames = { certificate: 'tls.crt', key: 'tls.key', chain: ['tls.crt', 'ca.crt'], root: 'ca.crt' }

const unusable = (message: string, cause?: unknown): IstiodError =>
  new IstiodError('ISTIOD_CA', message, cause === undefined ? undefined : { cause })

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw unusable(`cannot read ${file}: ${(error as Error).message}`, error)
  }
}

/** Does the certificate lead to a root, by way of the chain? */
function verifies(
  certificate: X509Certificate,
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[]
): boolean {
  const issuers = [...roots, ...chain]
  let current = certificate
  for (let depth = 0; depth <= issuers.length; depth++) {
    if (roots.some(root => root.raw.equals(current.raw))) return true
    const issuer = issuers.find(candidate => current.checkIssued(candidate) && current.verify(candidate.publicKey))
    if (issuer === undefined) return false
    current = issuer
  }
  return false
}

export function checkKeyMaterial({ certificate, key, chain, rootBundle, crl }: KeyMaterial, origin: string): void {
  let signer: X509Certificate | undefined
  let chained: X509Certificate[]
  let roots: X509Certificate[]
  let matches: boolean
  try {
    ;[signer] = parseCertificates(certificate)
    chained = parseCertificates(chain)
    roots = parseCertificates(rootBundle)
    matches = signer?.checkPrivateKey(createPrivateKey(key)) ?? false
    if (crl.trim() !== '') createSecureContext({ crl })
  } catch (error) {
    throw unusable(`the CA files in ${origin} cannot be parsed: ${(error as Error).message}`, error)
  }
  if (signer === undefined) throw unusable(`the CA files in ${origin} hold no signing certificate`)
  if (!matches) throw unusable(`the signing key in ${origin} does not belong to its certificate`)
  if (!signer.ca) throw unusable(`the signing certificate in ${origin} is not a CA (basic constraints)`)
  if (!verifies(signer, chained, roots)) {
    throw unusable(`the signing certificate in ${origin} does not verify to the root bundle through the chain`)
  }
}

/** A CA from `ROOT_CA_DIR` (docs/spec/identity-ca.md 3.5). Undefined: none there. Part of one is an error. */
export function readPluggedInCa(directory: string): KeyMaterial | undefined {
  const names = existsSync(join(directory, 'tls.crt')) ? tlsNames : istioNames
  const files = [names.certificate, names.key, ...names.chain, names.root]
  const missing = [...new Set(files)].filter(name => !existsSync(join(directory, name)))
  if (missing.length === new Set(files).size) return undefined
  if (missing.length > 0) {
    throw unusable(`incomplete signing CA bundle detected in ${directory}: missing ${missing.join(', ')}`)
  }
  const crlFile = join(directory, 'ca-crl.pem')
  const material = {
    certificate: read(join(directory, names.certificate)),
    key: read(join(directory, names.key)),
    chain: names.chain.map(name => read(join(directory, name))).join(''),
    rootBundle: read(join(directory, names.root)),
    crl: existsSync(crlFile) ? read(crlFile) : ''
  }
  checkKeyMaterial(material, directory)
  return material
}
