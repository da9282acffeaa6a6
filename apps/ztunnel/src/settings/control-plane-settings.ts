import { invalidVariable, SettingError } from './errors.ts'
import type { SettingReader } from './reader.ts'

export interface XdsSettings {
  readonly address: string
  readonly rootCa: string
  readonly altHostname: string | undefined
  readonly token: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly onDemand: boolean
  readonly tls12: boolean
}

export interface CaSettings {
  /** Leaves signed by a test root whose key everybody knows (docs/spec/zds.md 5.5). */
  readonly fake: boolean
  /** Path of a SPIRE agent's admin socket, which has the certificates instead of a CA. */
  readonly spireSocket: string | undefined
  readonly address: string
  readonly rootCa: string
  readonly altHostname: string | undefined
  readonly token: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly ttlSeconds: number
  readonly tls12: boolean
}

const rootPath = './var/run/secrets/istio/root-cert.pem'
const day = 86_400_000

interface Defaults {
  /** Where istiod is when nobody says it. */
  readonly istiod: string
  readonly token: string | undefined
  readonly tls12: boolean
}

/** Undefined: an empty XDS_ADDRESS, and so no control plane. */
export function readXds(
  read: SettingReader,
  {
    discoveryAddress,
    onDemand,
    ...defaults
  }: Defaults & {
    readonly onDemand: boolean
    /** Of the proxy configuration. */
    readonly discoveryAddress: string | undefined
  }
): XdsSettings | undefined {
  const given = read.text('XDS_ADDRESS')
  const address = given ?? discoveryAddress ?? defaults.istiod
  if (address === '') return undefined
  const url = withScheme(address)
  if (!isAddress(url)) {
    if (given !== undefined) throw invalidVariable('XDS_ADDRESS', given, expectedAddress)
    throw new SettingError(
      `discoveryAddress of the proxy configuration is ${JSON.stringify(address)}, ${expectedAddress}`
    )
  }
  return {
    address: url,
    rootCa: read.text('XDS_ROOT_CA') ?? rootPath,
    altHostname: read.text('ALT_XDS_HOSTNAME'),
    token: defaults.token,
    headers: headersFrom(read, 'XDS_HEADER_'),
    onDemand,
    tls12: defaults.tls12
  }
}

export function readCa(
  read: SettingReader,
  { shared, ...defaults }: Defaults & { /** Not dedicated. */ readonly shared: boolean }
): CaSettings {
  const fake = read.boolean('FAKE_CA') ?? false
  const allowed = read.boolean('CULVERT_ALLOW_TEST_CA') ?? false
  if (fake && !allowed) {
    throw invalidVariable(
      'FAKE_CA',
      'true',
      'certificates that anybody could make; for tests only, which set CULVERT_ALLOW_TEST_CA=true'
    )
  }
  const address = read.text('CA_ADDRESS') ?? defaults.istiod
  const url = withScheme(address)
  const spireSocket = readSpireSocket(read, { fake, shared })
  if (!fake && spireSocket === undefined && !isAddress(url))
    throw invalidVariable('CA_ADDRESS', address, expectedAddress)
  return {
    fake,
    spireSocket,
    address: url,
    rootCa: read.text('CA_ROOT_CA') ?? rootPath,
    altHostname: read.text('ALT_CA_HOSTNAME'),
    token: defaults.token,
    headers: headersFrom(read, 'CA_HEADER_'),
    ttlSeconds: Math.round((read.duration('SECRET_TTL', { min: 1_000, max: 36_500 * day }) ?? day) / 1_000),
    tls12: defaults.tls12
  }
}

function readSpireSocket(
  read: SettingReader,
  { fake, shared }: { readonly fake: boolean; readonly shared: boolean }
): string | undefined {
  const name = 'CULVERT_SPIRE_ADMIN_SOCKET'
  const path = read.text(name)
  if (path === undefined || path === '') return undefined
  // 108 bytes with the one that ends it, sun_path of the kernel.
  if (!path.startsWith('/') || Buffer.byteLength(path) > 107)
    throw invalidVariable(name, path, 'expected an absolute path of at most 107 bytes')
  if (fake) throw new SettingError(`only one of FAKE_CA=true and ${name} may be set`)
  if (!shared) throw new SettingError(`${name} needs PROXY_MODE=shared: the agent is asked by the uid of a pod`)
  return path
}

/** Request metadata (docs/spec/zds.md 5.1), of which gRPC takes no more than this. */
function headersFrom(read: SettingReader, prefix: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...read.withPrefix(prefix)].map(([name, value]) => {
      const key = name.toLowerCase()
      if (!/^[a-z0-9_.-]+$/.test(key) || key.endsWith('-bin')) {
        throw invalidVariable(
          prefix + name,
          value,
          'expected letters, digits, _, . and - in the name, without -bin at its end'
        )
      }
      // It may be a secret.
      if (!/^[ -~]*$/.test(value)) throw invalidVariable(prefix + name, '***', 'expected printable ASCII')
      return [key, value]
    })
  )
}

const expectedAddress = 'expected https://host:port'

const withScheme = (address: string): string => (address.includes('://') ? address : `https://${address}`)

function isAddress(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'https:' && parsed.hostname !== ''
}
