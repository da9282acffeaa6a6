import type { AuthorizationPolicy, PeerAuthentication } from '@culvert/kubernetes'
import { encodeAuthorization } from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { translatePolicy } from './authorization-policy.ts'
import {
  convertPeerAuthentication,
  namedPolicy,
  oldest,
  type ParentModes,
  staticStrict
} from './peer-authentication.ts'
import { serviceAccountMatches, stringMatch } from './policy-matches.ts'

const options = { rootNamespace: 'mesh-root', dryRun: false }
type Spec = NonNullable<AuthorizationPolicy['spec']>
const translate = (spec: Spec, metadata: object = {}) =>
  translatePolicy({ metadata: { name: 'p', namespace: 'shop', ...metadata }, spec }, options)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('AuthorizationPolicy', () => {
  it('encodes the worked example of authorization 8.1, to the byte', () => {
    const { authorization } = translate(
      {
        rules: [
          {
            to: [{ operation: { ports: ['9000'] } }],
            from: [{ source: { principals: ['mesh.demo/ns/web/sa/front'], ipBlocks: ['10.20.0.0/16'] } }]
          }
        ]
      },
      { name: 'till' }
    )
    const bytes = encodeAuthorization(authorization!)
    expect(bytes.length).toBe(67)
    expect(hex(bytes)).toBe(
      '0a0474696c6c120473686f7018012a330a0612044a02a8460a2912271a1b0a19' +
        Buffer.from('mesh.demo/ns/web/sa/front').toString('hex') +
        '2a080a040a1400001010'
    )
  })

  it.each([
    ['in the root namespace', { namespace: 'mesh-root' }, {}, 0],
    ['elsewhere', {}, {}, 1],
    ['with a selector', {}, { selector: { matchLabels: { app: 'a' } } }, 2],
    [
      'with a selector in the root namespace',
      { namespace: 'mesh-root' },
      { selector: { matchLabels: { app: 'a' } } },
      2
    ]
  ])('[authorization-19] the scope %s', (_, metadata, spec, scope) => {
    expect(translate(spec, metadata).authorization?.scope).toBe(scope)
  })

  it.each([
    ['a', { exact: 'a' }],
    ['a-*', { prefix: 'a-' }],
    ['*-a', { suffix: '-a' }],
    ['*', { presence: {} }],
    ['*foo*', { suffix: 'foo*' }]
  ])('[authorization-21] value %s', (value, expected) => {
    expect(stringMatch(value)).toEqual(expected)
  })

  it('[authorization-22] service accounts without a namespace are of the policy’s own', () => {
    expect(serviceAccountMatches(['other/x', 'y'], 'cfg')).toEqual([
      { namespace: 'other', serviceAccount: 'x' },
      { namespace: 'cfg', serviceAccount: 'y' }
    ])
  })

  it('[authorization-23] ALLOW drops a rule with HTTP attributes whole and says so', () => {
    const { authorization, condition } = translate({
      rules: [
        { from: [{ source: { namespaces: ['a'] } }] },
        { from: [{ source: { namespaces: ['b'] } }], to: [{ operation: { methods: ['GET'] } }] }
      ]
    })
    expect(authorization?.rules).toEqual([{ clauses: [{ matches: [{ namespaces: [{ exact: 'a' }] }] }] }])
    expect(condition).toEqual({
      status: 'True',
      reason: 'UnsupportedValue',
      message:
        'ztunnel does not support HTTP attributes (found: methods). In ambient mode you must use a waypoint proxy to enforce HTTP rules. Within an ALLOW policy, rules matching HTTP attributes are omitted. This will be more restrictive than requested.'
    })
  })

  it('ALLOW of HTTP rules alone is sent without rules, and so denies everything', () => {
    expect(translate({ rules: [{ to: [{ operation: { paths: ['/a'] } }] }] }).authorization?.rules).toEqual([])
  })

  it('[authorization-24] DENY with an attribute that cannot be checked denies nothing, and says so', () => {
    const { authorization, condition } = translate({
      action: 'DENY',
      rules: [{ from: [{ source: { principals: ['x'] } }], when: [{ key: 'request.headers[x]', values: ['y'] }] }]
    })
    expect(authorization?.rules?.[0]?.clauses?.[1]).toEqual({ matches: [{}] })
    expect(condition?.reason).toBe('UnsupportedValue')
    expect(condition?.message).toMatch(
      /found: request\.headers\[x\].*has no enforceable rules at ztunnel and will have no effect/
    )
  })

  it('keeps what of a DENY can be checked (authorization 8.4)', () => {
    const { authorization, condition } = translate({
      action: 'DENY',
      rules: [
        {
          from: [{ source: { namespaces: ['batch'] } }],
          to: [{ operation: { ports: ['9000'], methods: ['DELETE'] } }, { operation: { paths: ['/x'] } }]
        }
      ]
    })
    expect(authorization?.rules?.[0]?.clauses).toEqual([
      { matches: [{ destinationPorts: [9000] }, {}] },
      { matches: [{ namespaces: [{ exact: 'batch' }] }] }
    ])
    expect(condition?.message).toMatch(/found: methods, paths\).*is enforced without the HTTP rules/)
  })

  it.each([
    ['CUSTOM', {}, 'ztunnel does not support the CUSTOM action'],
    ['AUDIT', {}, 'ztunnel does not support the AUDIT action'],
    [
      'ALLOW',
      { annotations: { 'istio.io/dry-run': 'true' } },
      `found policy "shop/p" using dry-run annotation, but support for ambient dry-run authorizationPolicies isn't enabled`
    ]
  ])('[authorization-25] %s %o is not published', (action, metadata, message) => {
    expect(translate({ action, rules: [{}] }, metadata)).toEqual({
      authorization: undefined,
      condition: { status: 'False', reason: 'UnsupportedValue', message }
    })
  })

  it('[authorization-26] a policy with targets is not ztunnel’s: neither published nor given a condition of its', () => {
    const nothing = { authorization: undefined, condition: undefined }
    expect(translate({ targetRefs: [{ kind: 'Service', name: 'a' }] })).toEqual(nothing)
    expect(translate({ targetRef: { kind: 'Gateway', name: 'a' } })).toEqual(nothing)
  })

  it('survives what only admission keeps out', () => {
    const odd = { rules: [{ from: [{}, { source: null }, null], to: null, when: [{}] }, null] } as never
    expect(translate(odd).authorization?.rules).toEqual([{ clauses: [] }])
    const deny = { action: 'DENY', selector: null, targetRef: null, ...(odd as object) } as never
    expect(translate(deny).authorization).toMatchObject({
      scope: 1,
      rules: [{ clauses: [{ matches: [{}, {}, {}] }, { matches: [{}] }] }, { clauses: [] }]
    })
    expect(translatePolicy({} as never, options).authorization?.rules).toEqual([])
  })

  it('drops values that cannot be used and keeps the rest', () => {
    const { authorization } = translate({
      rules: [
        {
          from: [{ source: { ipBlocks: ['x', '10.0.0.1', '10.0.0.0/99'] } }],
          to: [{ operation: { ports: ['http', '80', '65536'], notPorts: ['8o'] } }]
        },
        {},
        {
          when: [
            { key: 'destination.port', notValues: ['81'] },
            { key: 'source.ip', values: ['fd00::/8'] }
          ]
        }
      ]
    })
    expect(authorization?.rules).toEqual([
      {
        clauses: [
          { matches: [{ destinationPorts: [80] }] },
          { matches: [{ sourceIps: [{ address: Uint8Array.of(10, 0, 0, 1), length: 32 }] }] }
        ]
      },
      { clauses: [] },
      {
        clauses: [
          { matches: [{ notDestinationPorts: [81] }] },
          { matches: [{ sourceIps: [{ address: Uint8Array.of(0xfd, ...new Array(15).fill(0)), length: 8 }] }] }
        ]
      }
    ])
  })
})

type Mode = 'STRICT' | 'PERMISSIVE' | 'DISABLE' | 'UNSET' | undefined
function peer(
  mode: Mode,
  ports: Record<string, Mode> = {},
  metadata: object = {},
  selector = true
): PeerAuthentication {
  return {
    metadata: { name: 'metrics', namespace: 'shop', ...metadata },
    spec: {
      ...(selector ? { selector: { matchLabels: { app: 'till' } } } : {}),
      ...(mode === undefined ? {} : { mtls: { mode } }),
      portLevelMtls: Object.fromEntries(
        Object.entries(ports).map(([port, m]) => [port, m === undefined ? {} : { mode: m }])
      )
    }
  }
}

describe('PeerAuthentication', () => {
  it('encodes static strict as authorization 8.1 has it', () => {
    const bytes = encodeAuthorization(staticStrict('mesh-root'))
    expect(bytes.length).toBe(56)
    expect(hex(bytes).endsWith('180220012a080a061204220222 00'.replace(' ', ''))).toBe(true)
  })

  const none = { notPrincipals: [{ presence: {} }] }
  const strictPort = (port: number) => ({ clauses: [{ matches: [{ ...none, destinationPorts: [port] }] }] })
  const exempt = (port: number) => ({ matches: [{ notDestinationPorts: [port] }] })
  const deny = { matches: [none] }
  it.each<[string, Mode, Record<string, Mode>, ParentModes, unknown]>([
    [
      '8.3: mesh STRICT',
      undefined,
      { 9100: 'PERMISSIVE', 9000: 'STRICT' },
      { namespace: 'absent', mesh: 'STRICT' },
      [{ clauses: [exempt(9100), deny] }]
    ],
    [
      '8.3: own PERMISSIVE',
      'PERMISSIVE',
      { 9100: 'PERMISSIVE', 9000: 'STRICT' },
      { namespace: 'absent', mesh: 'STRICT' },
      [strictPort(9000)]
    ],
    [
      'own STRICT under a STRICT parent',
      'STRICT',
      { 80: 'DISABLE' },
      { namespace: 'STRICT', mesh: undefined },
      [{ clauses: [deny, exempt(80), deny] }]
    ],
    ['own STRICT, nothing exempt', 'STRICT', { 80: 'STRICT' }, { namespace: 'absent', mesh: undefined }, undefined],
    ['all PERMISSIVE', undefined, { 80: 'PERMISSIVE' }, { namespace: 'absent', mesh: undefined }, undefined],
    [
      'an UNSET namespace object hides the mesh',
      undefined,
      { 80: 'PERMISSIVE' },
      { namespace: 'UNSET', mesh: 'STRICT' },
      undefined
    ],
    [
      'STRICT ports are alternatives, in order',
      undefined,
      { 81: 'STRICT', 80: 'STRICT' },
      { namespace: 'absent', mesh: undefined },
      [strictPort(80), strictPort(81)]
    ],
    [
      'UNSET ports say nothing',
      'PERMISSIVE',
      { 80: 'UNSET', 81: undefined },
      { namespace: 'absent', mesh: undefined },
      undefined
    ]
  ])('converts %s', (_, mode, ports, parents, rules) => {
    expect(convertPeerAuthentication(peer(mode, ports), parents)?.rules).toEqual(rules)
  })

  const strict = 'mesh-root/istio_converted_static_strict'
  const converted = 'shop/converted_peer_authentication_metrics'
  it.each<[Mode, Record<string, Mode>, Mode, Mode, string | undefined]>([
    ['STRICT', {}, undefined, undefined, strict],
    ['STRICT', { 80: 'PERMISSIVE' }, undefined, undefined, converted],
    ['STRICT', { 80: 'STRICT' }, undefined, undefined, strict],
    ['PERMISSIVE', { 80: 'STRICT' }, 'STRICT', 'STRICT', converted],
    ['PERMISSIVE', { 80: 'DISABLE' }, 'STRICT', 'STRICT', undefined],
    ['PERMISSIVE', {}, 'STRICT', 'STRICT', undefined],
    [undefined, { 80: 'PERMISSIVE' }, undefined, 'STRICT', converted],
    [undefined, { 80: 'DISABLE' }, undefined, 'STRICT', strict],
    [undefined, { 80: 'STRICT' }, undefined, undefined, converted],
    [undefined, { 80: 'PERMISSIVE' }, undefined, undefined, undefined],
    ['UNSET', {}, 'PERMISSIVE', 'STRICT', undefined]
  ])('[authorization-28] own %s, ports %o, namespace %s, mesh %s names %s', (own, ports, namespace, mesh, expected) => {
    const level = (mode: Mode) => (mode === undefined ? undefined : peer(mode, {}, {}, false))
    const levels = { workload: peer(own, ports), namespace: level(namespace), mesh: level(mesh) }
    expect(namedPolicy(levels, 'mesh-root')).toBe(expected)
  })

  it('[authorization-29] the oldest object of a level decides', () => {
    const old = peer('STRICT', {}, { name: 'z', creationTimestamp: '2026-01-01T00:00:00Z' }, false)
    const young = peer('PERMISSIVE', {}, { name: 'a', creationTimestamp: '2026-02-01T00:00:00Z' }, false)
    expect(oldest([young, old])).toBe(old)
    expect(oldest([old, young])).toBe(old)
  })
})
