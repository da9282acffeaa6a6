import { describe, expect, it } from 'vitest'
import { parseDuration } from './duration.ts'
import { readSettings, type Settings } from './settings.ts'

function settings(variables: Record<string, string>, files: Record<string, string> = {}, cpus = 2): Settings {
  const environment = { get: (name: string) => variables[name], names: () => Object.keys(variables) }
  return readSettings(environment, { exists: path => path in files, read: path => files[path], cpus })
}

describe('defaults', () => {
  it('are those of the specification', () => {
    expect(settings({})).toMatchObject({
      dedicated: undefined,
      zdsPath: '/var/run/ztunnel/ztunnel.sock',
      sockets: { mark: 1337, reusePort: true, originalSource: 'auto', keepalive: { idle: 180_000, retries: 9 } },
      terminationDeadline: 5_000,
      clusterId: 'Kubernetes',
      xds: { address: 'https://localhost:15012', token: undefined, rootCa: './var/run/secrets/istio/root-cert.pem' },
      ca: { address: 'https://localhost:15012', ttlSeconds: 86_400, fake: false },
      pool: { maxStreamsPerTunnel: 100, unusedRelease: 300_000 },
      ports: { admin: 15000, stats: 15020, readiness: 15021 },
      dns: { addresses: [{ ip: '127.0.0.1' }, { ip: '::1', optional: true }] }
    })
    expect(settings({}).log.filter.toString()).toBe('hickory_server::server=off,info')
  })
})

describe('errors', () => {
  it.each([
    [{ ENABLE_PROXY: 'yes' }, 'invalid env var ENABLE_PROXY=yes (expected true or false)'],
    [{ ENABLE_PROXY: '' }, 'invalid env var ENABLE_PROXY= ('],
    [{ PROXY_MODE: 'both' }, 'invalid env var PROXY_MODE=both ('],
    [{ PROXY_MODE: 'dedicated' }, 'PROXY_MODE=dedicated needs PROXY_WORKLOAD_INFO'],
    [{ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b' }, 'invalid env var PROXY_WORKLOAD_INFO=a/b ('],
    [{ LOCAL_XDS: 'x', LOCAL_XDS_PATH: 'y' }, 'only one of LOCAL_XDS_PATH and LOCAL_XDS']
  ])('[zds-20] %j fails with %s', (variables, message) => {
    expect(() => settings(variables)).toThrow(message)
  })

  it.each([
    [
      { CULVERT_MAX_CONNECTIONS: '-1' },
      'invalid env var CULVERT_MAX_CONNECTIONS=-1 (expected an integer between 0 and'
    ],
    [{ POOL_UNUSED_RELEASE_TIMEOUT: 'soon' }, 'invalid env var POOL_UNUSED_RELEASE_TIMEOUT=soon (expected a duration'],
    [{ UNSTABLE_ENABLE_SOCKS5: '1' }, 'invalid env var UNSTABLE_ENABLE_SOCKS5=1 (expected true or false)'],
    [{ PACKET_MARK: '-1' }, 'invalid env var PACKET_MARK=-1 (expected an integer'],
    [{ RUST_LOG: 'a=loud' }, 'invalid env var RUST_LOG=a=loud ('],
    [{ CULVERT_TUNNEL_CONGESTION_CONTROL: 'a b' }, 'invalid env var CULVERT_TUNNEL_CONGESTION_CONTROL=a b ('],
    [{ XDS_ON_DEMAND: 'true' }, 'XDS_ON_DEMAND=true cannot be combined with the DNS proxy'],
    [{ ENABLE_PROXY: 'false', ISTIO_META_DNS_CAPTURE: 'no' }, 'there is nothing to run'],
    [{ CA_ADDRESS: '' }, 'invalid env var CA_ADDRESS= ('],
    [{ CULVERT_ALLOW_TEST_CA: 'yes' }, 'invalid env var CULVERT_ALLOW_TEST_CA=yes (expected true or false)'],
    [{ CULVERT_DNS_RANDOM_CASE: 'on' }, 'invalid env var CULVERT_DNS_RANDOM_CASE=on (expected true or false)'],
    [{ CULVERT_LOCAL_XDS_RELOAD: 'true' }, 'CULVERT_LOCAL_XDS_RELOAD=true needs LOCAL_XDS_PATH'],
    [{ INSTANCE_IP: 'here' }, 'invalid env var INSTANCE_IP=here (expected an IP address)'],
    [{ XDS_ADDRESS: 'a b:1' }, 'invalid env var XDS_ADDRESS=a b:1 (expected https://host:port)'],
    [{ XDS_ADDRESS: 'http://istiod:15010' }, 'invalid env var XDS_ADDRESS=http://istiod:15010 (expected https:'],
    [{ XDS_ADDRESS: 'istiod:99999' }, 'invalid env var XDS_ADDRESS=istiod:99999 ('],
    [{ CA_ADDRESS: 'https://' }, 'invalid env var CA_ADDRESS=https:// (expected https://host:port)'],
    [
      { PROXY_CONFIG: '{proxyMetadata: {}, discoveryAddress: ":1"}' },
      'discoveryAddress of the proxy configuration is ":1"'
    ],
    [{ 'XDS_HEADER_a b': 'x' }, 'invalid env var XDS_HEADER_a b=x (expected letters, digits'],
    [{ CA_HEADER_TOKEN: 'secret\n' }, 'invalid env var CA_HEADER_TOKEN=*** (expected printable ASCII)'],
    [{ FAKE_CA: 'true' }, 'CULVERT_ALLOW_TEST_CA=true'],
    [
      { CULVERT_SPIRE_ADMIN_SOCKET: 'admin.sock' },
      'invalid env var CULVERT_SPIRE_ADMIN_SOCKET=admin.sock (expected an absolute path of at most 107 bytes)'
    ],
    [{ CULVERT_SPIRE_ADMIN_SOCKET: `/${'x'.repeat(107)}` }, 'expected an absolute path of at most 107 bytes'],
    [
      { CULVERT_SPIRE_ADMIN_SOCKET: '/a', FAKE_CA: 'true', CULVERT_ALLOW_TEST_CA: 'true' },
      'only one of FAKE_CA=true and CULVERT_SPIRE_ADMIN_SOCKET may be set'
    ],
    [
      { CULVERT_SPIRE_ADMIN_SOCKET: '/a', PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b/c' },
      'CULVERT_SPIRE_ADMIN_SOCKET needs PROXY_MODE=shared'
    ],
    [{ ISTIO_META_DNS_PROXY_ADDR: 'here' }, 'invalid env var ISTIO_META_DNS_PROXY_ADDR=here ('],
    [{ PROXY_CONFIG: '{discoveryAddress: x}' }, 'PROXY_CONFIG must be a map that has proxyMetadata'],
    [{ PROXY_CONFIG: '{proxyMetadata: {}, statsPort: high}' }, 'statsPort of PROXY_CONFIG is "high"']
  ])('%j fails with %s', (variables, message) => {
    expect(() => settings(variables)).toThrow(message)
  })
})

describe('what is beyond what the machine can do', () => {
  it.each([
    [{ SECRET_TTL: '1ms' }, 'SECRET_TTL=1ms (expected a duration of at least 1s and at most 36500d)'],
    [{ KEEPALIVE_TIME: '0' }, 'KEEPALIVE_TIME=0 (expected a duration of at least 1s and at most 32767s)'],
    [{ KEEPALIVE_INTERVAL: '10h' }, 'KEEPALIVE_INTERVAL=10h (expected a duration of'],
    [{ KEEPALIVE_RETRIES: '128' }, 'KEEPALIVE_RETRIES=128 (expected an integer between 1 and 127)'],
    [
      { CONNECTION_TERMINATION_DEADLINE: '30d' },
      'CONNECTION_TERMINATION_DEADLINE=30d (expected a duration of at most 24d)'
    ],
    [
      { TERMINATION_GRACE_PERIOD_SECONDS: '2147484' },
      'TERMINATION_GRACE_PERIOD_SECONDS=2147484 (expected an integer between'
    ],
    [{ CULVERT_HANDSHAKE_TIMEOUT: '4w' }, 'CULVERT_HANDSHAKE_TIMEOUT=4w (expected a duration of at most 24d)'],
    [{ POOL_UNUSED_RELEASE_TIMEOUT: '25d' }, 'POOL_UNUSED_RELEASE_TIMEOUT=25d (expected a duration of at most 24d)'],
    [
      { POOL_MAX_STREAMS_PER_CONNECTION: '0' },
      'POOL_MAX_STREAMS_PER_CONNECTION=0 (expected an integer between 1 and 65535)'
    ],
    [
      { HTTP2_STREAM_WINDOW_SIZE: '2147483648' },
      'HTTP2_STREAM_WINDOW_SIZE=2147483648 (expected an integer between 1 and'
    ],
    [{ HTTP2_CONNECTION_WINDOW_SIZE: '0' }, 'HTTP2_CONNECTION_WINDOW_SIZE=0 (expected an integer between 1 and'],
    [{ HTTP2_FRAME_SIZE: '16383' }, 'HTTP2_FRAME_SIZE=16383 (expected an integer between 16384 and 16777215)'],
    [{ ISTIO_META_DNS_PROXY_ADDR: '127.0.0.1:65536' }, 'ISTIO_META_DNS_PROXY_ADDR=127.0.0.1:65536 ('],
    [{ PACKET_MARK: '4294967296' }, 'PACKET_MARK=4294967296 (expected an integer between 0 and 4294967295)']
  ])('%j fails with %s', (variables, message) => {
    expect(() => settings(variables as Record<string, string>)).toThrow(`invalid env var ${message}`)
  })

  it('is no limit to certificates that live longer than a timer', () => {
    expect(settings({ SECRET_TTL: '90d' }).ca.ttlSeconds).toBe(90 * 86_400)
  })
})

describe('every boolean', () => {
  it.each([
    'ENABLE_PROXY',
    'ENABLE_ORIG_SRC',
    'ENABLE_RESPONSE_BAGGAGE',
    'FAKE_CA',
    'INPOD_PORT_REUSE',
    'IPV6_ENABLED',
    'KEEPALIVE_ENABLED',
    'LOCALHOST_APP_TUNNEL',
    'UNSTABLE_ENABLE_SOCKS5',
    'USER_TIMEOUT_ENABLED',
    'XDS_ON_DEMAND',
    'CULVERT_LOCAL_XDS_RELOAD'
  ])('%s is true or false and nothing else, in either mode', name => {
    for (const mode of [{}, { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b/c' }]) {
      for (const value of ['TRUE', '1', 'on', '']) {
        const variables: Record<string, string> = { ...mode, [name]: value }
        expect(() => settings(variables)).toThrow(`invalid env var ${name}=${value} (expected true or false)`)
      }
    }
  })
})

describe('tls', () => {
  it.each([
    { variables: {}, tls: { tls12: false, postQuantumOnly: false }, crlPath: undefined },
    {
      variables: { TLS12_ENABLED: 'true', CRL_PATH: '/x' },
      tls: { tls12: true, postQuantumOnly: false },
      crlPath: '/x'
    },
    {
      variables: { TLS12_ENABLED: '1', CRL_PATH: '' },
      tls: { tls12: false, postQuantumOnly: false },
      crlPath: undefined
    },
    { variables: { COMPLIANCE_POLICY: 'pqc' }, tls: { tls12: false, postQuantumOnly: true }, crlPath: undefined },
    { variables: { COMPLIANCE_POLICY: 'fips' }, tls: { tls12: false, postQuantumOnly: false }, crlPath: undefined }
  ])('$variables means $tls and $crlPath', ({ variables, tls, crlPath }) => {
    expect(settings(variables as Record<string, string>)).toMatchObject({ tls, crlPath })
  })
})

describe('data threads', () => {
  it.each([
    { cpus: 2, start: 1, most: 2 },
    { cpus: 4, start: 1, most: 2 },
    { cpus: 9, start: 2, most: 3 },
    { cpus: 64, start: 16, most: 16 },
    { cpus: 64, variables: { ZTUNNEL_CPU_LIMIT: '6' }, start: 1, most: 2 },
    { cpus: 64, variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: '2500m' }, start: 1, most: 3 },
    { cpus: 8, variables: { ZTUNNEL_RESOURCE_CPU_REQUEST: '5' }, start: 2, most: 5 },
    { cpus: 8, variables: { ZTUNNEL_WORKER_THREADS: '3' }, start: 3, most: 3 },
    { cpus: 8, variables: { ZTUNNEL_WORKER_THREADS: '0' }, start: 8, most: 8 },
    { cpus: 8, variables: { ZTUNNEL_WORKER_THREADS: '30%' }, start: 3, most: 3 },
    { cpus: 8, variables: { ZTUNNEL_WORKER_THREADS: '99999' }, start: 256, most: 256 },
    { cpus: 8, variables: { PROXY_CONFIG: '{proxyMetadata: {}, concurrency: 5}' }, start: 5, most: 5 },
    { cpus: 8, variables: { PROXY_CONFIG: '{proxyMetadata: {}, concurrency: 0}' }, start: 8, most: 8 },
    {
      cpus: 8,
      variables: { PROXY_CONFIG: '{proxyMetadata: {}, concurrency: 5}', ZTUNNEL_WORKER_THREADS: '1' },
      start: 1,
      most: 1
    }
  ])('are $start to $most for $variables on $cpus CPUs', ({ cpus, variables = {}, start, most }) => {
    expect(settings(variables as Record<string, string>, {}, cpus).threads).toEqual({ start, most })
  })

  it.each([
    [{ ZTUNNEL_WORKER_THREADS: 'many' }, 'invalid env var ZTUNNEL_WORKER_THREADS=many ('],
    [{ ZTUNNEL_WORKER_THREADS: '0%' }, 'invalid env var ZTUNNEL_WORKER_THREADS=0% ('],
    [{ ZTUNNEL_WORKER_THREADS: '101%' }, 'invalid env var ZTUNNEL_WORKER_THREADS=101% ('],
    [{ ZTUNNEL_RESOURCE_CPU_LIMIT: '1Gi' }, 'invalid env var ZTUNNEL_RESOURCE_CPU_LIMIT=1Gi ('],
    [{ PROXY_CONFIG: '{proxyMetadata: {}, concurrency: -1}' }, 'concurrency of PROXY_CONFIG is -1']
  ])('%j fails with %s', (variables, message) => {
    expect(() => settings(variables as Record<string, string>)).toThrow(message)
  })
})

describe('ProxyConfig', () => {
  it('takes the worked example D', () => {
    const variables = {
      TERMINATION_GRACE_PERIOD_SECONDS: '20',
      PROXY_CONFIG: '{"discoveryAddress":"cp.mesh-a:15012","proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"TRUE"}}',
      KUBERNETES_SERVICE_HOST: '10.96.0.1'
    }
    const read = settings(variables)
    expect(read).toMatchObject({
      terminationDeadline: 15_000,
      xds: { address: 'https://cp.mesh-a:15012' },
      ca: { address: 'https://istiod.istio-system.svc:15012' }
    })
    expect(read.dns.addresses).toHaveLength(2)
    expect(settings({ ...variables, ISTIO_META_DNS_CAPTURE: 'no' }).dns.addresses).toEqual([])
  })

  it('merges the mesh file, PROXY_CONFIG and the environment', () => {
    const files = {
      './etc/istio/config/mesh': 'defaultConfig:\n  statsPort: 1\n  proxyMetadata: {A: file, B: file, C: file}'
    }
    const read = settings(
      {
        PROXY_CONFIG: 'proxyMetadata: {ISTIO_META_B: config, C: config}',
        ISTIO_META_C: 'env',
        ISTIO_META_CLUSTER_ID: 'x'
      },
      files
    )
    expect([...read.node.metadata]).toEqual([
      ['A', 'file'],
      ['B', 'config'],
      ['C', 'env'],
      ['CLUSTER_ID', 'x']
    ])
    expect([read.ports.stats, read.clusterId]).toEqual([1, 'x'])
  })
})

describe('single values', () => {
  it.each([
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '30' }, 25_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '10' }, 9_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '1' }, 1_000],
    [{ TERMINATION_GRACE_PERIOD_SECONDS: '30', CONNECTION_TERMINATION_DEADLINE: '2m' }, 120_000]
  ])('%j drains for %i ms', (variables, expected) => {
    expect(settings(variables).terminationDeadline).toBe(expected)
  })

  it.each([
    ['1m30s', 90_000],
    ['250ms', 250],
    ['5', 5_000],
    ['1.5h', 5_400_000],
    ['2d 3h', 183_600_000],
    ['', undefined],
    ['1x', undefined],
    ['-1s', undefined]
  ])('duration %s is %s', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  it('turns prefixed variables into headers and metadata, and keeps what is no JSON apart', () => {
    const read = settings({
      XDS_HEADER_X_Tenant: 'a',
      CA_HEADER_B: 'c',
      ISTIO_METAJSON_L: '{"a":1}',
      ISTIO_METAJSON_M: '{'
    })
    expect(read.xds?.headers).toEqual({ x_tenant: 'a' })
    expect(read.ca.headers).toEqual({ b: 'c' })
    expect(read.node.jsonMetadata).toEqual(new Map([['L', { a: 1 }]]))
    expect(read.node.badJsonMetadata).toEqual(['ISTIO_METAJSON_M={'])
  })

  it('has no mark and no port reuse in dedicated mode', () => {
    const read = settings({ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-0/cart' })
    expect(read.dedicated).toEqual({ namespace: 'shop', name: 'cart-0', serviceAccount: 'cart' })
    expect(read.sockets).toMatchObject({ mark: 0, listenerMark: 0, reusePort: false })
  })

  it('marks only upstream connections in dedicated mode, everything in shared mode', () => {
    const dedicated = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-0/cart', PACKET_MARK: '7' }
    expect(settings(dedicated).sockets).toMatchObject({ mark: 7, listenerMark: 0 })
    expect(settings({ PACKET_MARK: '7' }).sockets).toMatchObject({ mark: 7, listenerMark: 7 })
  })

  it('forbids the port of SOCKS5 as a target only while that is on', () => {
    const off = settings({})
    expect([off.socks5, off.illegalPorts]).toEqual([false, new Set([15001, 15006, 15008])])
    const on = settings({ UNSTABLE_ENABLE_SOCKS5: 'true' })
    expect([on.socks5, on.illegalPorts]).toEqual([true, new Set([15001, 15006, 15008, 15080])])
  })

  it('switches xDS off with an empty address', () => {
    expect(settings({ XDS_ADDRESS: '' }).xds).toBeUndefined()
  })
})
