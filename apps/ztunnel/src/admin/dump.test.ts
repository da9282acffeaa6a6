import { X509Certificate } from 'node:crypto'
import { selfSignedRoot } from '@culvert/certificates'
import { expect, it } from 'vitest'
import { readSettings } from '../settings/settings.ts'
import { certificateView } from './certificate-view.ts'
import { configView } from './config-view.ts'
import { sortedJsonPieces } from './sorted-json.ts'

const sortedJson = (value: unknown): string => [...sortedJsonPieces(value)].join('')

it('sorts keys at every level and indents by two', () => {
  expect(sortedJson({ b: [{ d: 1, c: undefined, a: null }], a: 'x' })).toBe(
    '{\n  "a": "x",\n  "b": [\n    {\n      "a": null,\n      "d": 1\n    }\n  ]\n}'
  )
})

it('makes lists on the way, and is what JSON.stringify would be', () => {
  const value = { a: [], b: {}, c: [[], {}, { e: 1, d: [null, 'x\n"'] }, true], z: { y: [1, 2] } }
  expect(sortedJson(value)).toBe(JSON.stringify({ ...value, c: [[], {}, { d: [null, 'x\n"'], e: 1 }, true] }, null, 2))
  const made: number[] = []
  function* steps(): Generator<unknown> {
    for (const i of [1, 2, 3]) {
      made.push(i)
      yield i === 2 ? undefined : { i }
    }
  }
  let text = ''
  for (const piece of sortedJsonPieces({ list: steps(), none: [undefined].values() })) {
    text += piece
    if (piece !== '' && text.endsWith('"i": 1\n    }')) expect(made).toEqual([1])
  }
  expect(text).toBe(JSON.stringify({ list: [{ i: 1 }, { i: 3 }], none: [] }, null, 2))
  expect.assertions(3)
})

it('[observability-dns-16] shows an available certificate with a decimal serial number and times in seconds', async () => {
  const { certificate: pem } = await selfSignedRoot({ organization: 'x', ttlSeconds: 3_600 })
  const { serialNumber, validFromDate, validToDate } = new X509Certificate(pem)
  const certificate = {
    id: '',
    privateKey: '',
    certificateChain: [pem],
    roots: [pem],
    notBefore: validFromDate,
    notAfter: validToDate
  }
  const entry = {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber: BigInt(`0x${serialNumber}`).toString(10),
    validFrom: validFromDate.toISOString().replace('.000Z', 'Z'),
    expirationTime: validToDate.toISOString().replace('.000Z', 'Z')
  }
  expect(certificateView({ identity: 'spiffe://a/ns/b/sa/c', state: 'Available', certificate })).toEqual({
    identity: 'spiffe://a/ns/b/sa/c',
    state: 'Available',
    certChain: [entry],
    rootCerts: [entry]
  })
})

it('shows why a certificate is unavailable', () => {
  expect(certificateView({ identity: 'x', state: 'Unavailable', error: new Error('CA is away') })).toEqual({
    identity: 'x',
    state: 'Unavailable: CA is away',
    certChain: [],
    rootCerts: []
  })
})

it('never shows tokens, header values or the local configuration', () => {
  const variables: Record<string, string> = {
    AUTH_TOKEN: 'hidden-1',
    XDS_HEADER_KEY: 'hidden-2',
    LOCAL_XDS: 'hidden-3'
  }
  const settings = readSettings(
    { get: name => variables[name], names: () => Object.keys(variables) },
    { exists: () => false, read: () => undefined, cpus: 2 }
  )
  const shown = sortedJson(configView(settings))
  expect(shown).not.toContain('hidden')
  expect(JSON.parse(shown)).toMatchObject({
    adminAddr: { Localhost: [true, 15000] },
    statsAddr: { SocketAddr: '[::]:15020' },
    selfTerminationDeadline: { secs: 5, nanos: 0 },
    proxyMode: 'Shared',
    xdsHeaders: ['key'],
    caRootCert: 'Static'
  })
})

it('has a member of `config` for each that the dump is said to have, and no other', () => {
  const settings = readSettings(
    { get: () => undefined, names: () => [] },
    { exists: () => false, read: () => undefined, cpus: 2 }
  )
  expect(Object.keys(configView(settings))).toEqual([
    'proxy',
    'dnsProxy',
    'windowSize',
    'connectionWindowSize',
    'frameSize',
    'poolMaxStreamsPerConn',
    'poolUnusedReleaseTimeout',
    'socks5Addr',
    'adminAddr',
    'statsAddr',
    'readinessAddr',
    'inboundAddr',
    'inboundPlaintextAddr',
    'outboundAddr',
    'dnsProxyAddr',
    'illegalPorts',
    'network',
    'localNode',
    'proxyMode',
    'proxyWorkloadInformation',
    'clusterId',
    'clusterDomain',
    'caAddress',
    'caRootCert',
    'altCaHostname',
    'xdsAddress',
    'xdsRootCert',
    'altXdsHostname',
    'preferedServiceNamespace',
    'secretTtl',
    'xdsOnDemand',
    'fakeCa',
    'fakeSelfInbound',
    'selfTerminationDeadline',
    'proxyMetadata',
    'numWorkerThreads',
    'requireOriginalSource',
    'proxyArgs',
    'dnsResolverCfg',
    'dnsResolverOpts',
    'inpodUds',
    'inpodPortReuse',
    'packetMark',
    'socketConfig',
    'xdsHeaders',
    'caHeaders',
    'localhostAppTunnel',
    'ztunnelIdentity',
    'ztunnelWorkload',
    'ipv6Enabled',
    'crlPath',
    'enableEnhancedBaggage'
  ])
})
