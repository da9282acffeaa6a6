import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.ts'
import { parseGoDuration } from './go-duration.ts'
import { defaultMeshConfig, parseMeshConfig, readMeshConfig } from './mesh-config.ts'
import { readSettings } from './settings.ts'

describe('arguments', () => {
  it('takes what Istio’s chart passes', () => {
    const flags = parseArguments([
      'discovery',
      '--monitoringAddr=:15014',
      '--log_output_level=default:info',
      '--domain',
      'cluster.local',
      '--keepaliveMaxServerConnectionAge',
      '30m'
    ])
    expect(flags).toMatchObject({
      monitoringAddr: { host: '', port: 15014 },
      secureGrpcAddr: { host: '', port: 15012 },
      domain: 'cluster.local',
      maxConnectionAgeMs: 1_800_000,
      ignored: []
    })
  })

  it('names flags that it does not know and goes on', () => {
    const flags = parseArguments(['discovery', '--ctrlz_port', '9876', '--vklog', '--tlsCertFile=/x', '--domain=d'])
    expect(flags.ignored).toEqual(['ctrlz_port', 'vklog', 'tlsCertFile'])
    expect(flags.domain).toBe('d')
  })

  it('turns a listener off with an empty address', () => {
    expect(parseArguments(['--grpcAddr=']).grpcAddr).toBeUndefined()
  })

  it.each([
    [['--monitoringAddr=15014'], '--monitoringAddr="15014"'],
    [['--httpAddr=:99999'], '--httpAddr=":99999"'],
    [['--httpAddr='], '--httpAddr=""'],
    [['--keepaliveMaxServerConnectionAge=soon'], '--keepaliveMaxServerConnectionAge="soon"'],
    [['--log_as_json=maybe'], '--log_as_json="maybe"'],
    [['proxy'], 'unknown command "proxy"'],
    [['discovery', 'extra'], 'unexpected argument "extra"']
  ])('refuses %j by name', (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(message)
  })
})

it.each([
  ['24h', 86_400],
  ['1h30m', 5400],
  ['100ms', 0.1],
  ['1.5s', 1.5],
  ['-5s', -5],
  ['0', 0],
  ['', undefined],
  ['24', undefined],
  ['h', undefined],
  ['1h x', undefined]
])('the duration %j is %s seconds', (text, seconds) => {
  const parsed = parseGoDuration(text)
  if (seconds === undefined) expect(parsed).toBeUndefined()
  else expect(parsed).toBeCloseTo(seconds)
})

describe('mesh config', () => {
  it('reads its keys and leaves the rest', async () => {
    const text =
      'trustDomain: acme.test\nrootNamespace: mesh-root\nextra: {a: 1}\ndefaultConfig:\n  discoveryAddress: istiod.x.svc:15012\n'
    expect(await parseMeshConfig(text, 'file')).toEqual({
      trustDomain: 'acme.test',
      rootNamespace: 'mesh-root',
      discoveryAddress: 'istiod.x.svc:15012'
    })
    expect(await parseMeshConfig('', 'file')).toEqual(defaultMeshConfig)
  })

  it.each([
    ['a: [', 'mesh config m is not YAML'],
    ['- a', 'mesh config m should be a mapping'],
    ['trustDomain: 5', 'trustDomain is 5'],
    ['trustDomain: Has_Upper', 'trustDomain "Has_Upper"']
  ])('refuses %j', async (text, message) => {
    await expect(parseMeshConfig(text, 'mesh config m')).rejects.toThrow(message)
  })

  it('is optional as a file', async () => {
    expect(await readMeshConfig('/no/such/mesh')).toEqual(defaultMeshConfig)
    await expect(readMeshConfig('/')).rejects.toThrow('cannot read mesh config /: ')
  })
})

describe('environment', () => {
  const read = (environment: Record<string, string>, mesh = defaultMeshConfig) =>
    readSettings({ get: name => environment[name] }, parseArguments([]), mesh)

  it('has Istio’s defaults', () => {
    expect(read({})).toMatchObject({
      namespace: 'istio-system',
      rootNamespace: 'istio-system',
      clusterId: 'Kubernetes',
      trustDomain: 'cluster.local',
      ambient: false,
      ambientStatus: false,
      debounce: { quietMs: 100, longestMs: 10_000 },
      tokenAudiences: ['istio-ca'],
      authority: {
        directory: './etc/cacerts',
        defaultTtlSeconds: 86_400,
        maxTtlSeconds: 2160 * 3600,
        rootConfigMap: 'istio-ca-root-cert'
      }
    })
  })

  it('takes what is set', () => {
    const settings = read(
      {
        POD_NAMESPACE: 'mesh',
        PILOT_ENABLE_AMBIENT: 'true',
        CA_TRUSTED_NODE_ACCOUNTS: 'mesh/ztunnel,bad',
        TOKEN_AUDIENCES: 'a, b'
      },
      { ...defaultMeshConfig, discoveryAddress: 'istiod.x.svc:15012' }
    )
    expect(settings).toMatchObject({
      rootNamespace: 'mesh',
      ambient: true,
      ambientStatus: true,
      tokenAudiences: ['a', 'b']
    })
    expect([...settings.authority.trustedNodeAccounts]).toEqual(['mesh/ztunnel'])
    expect(settings.servingHosts).toEqual(['istiod.x.svc'])
  })

  it.each([
    ['DEFAULT_WORKLOAD_CERT_TTL', '24'],
    ['MAX_WORKLOAD_CERT_TTL', 'long'],
    ['PILOT_ENABLE_AMBIENT', 'yes please'],
    ['PILOT_PUSH_THROTTLE', '-1'],
    ['PILOT_DEBOUNCE_AFTER', '1 s']
  ])('refuses %s=%j by name and value', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(`${name}=${JSON.stringify(value)}: should be`)
  })
})
