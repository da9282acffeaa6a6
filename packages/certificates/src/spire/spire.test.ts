import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createManualClock, type ManualClock } from '@culvert/clock/testing'
import { status } from '@grpc/grpc-js'
import { expect, it, onTestFinished } from 'vitest'
import { createTestTrustDomain, startTestSpireAgent, type TestSpireAgent } from '../testing/spire-agent.ts'
import { delegatedIdentityDefinition } from './delegated-identity.ts'
import { connectSpireAgent } from './spire-agent.ts'
import { createSpireCertificates, type SpireCertificates } from './spire-certificates.ts'

const acme = await createTestTrustDomain('acme.test')
const cart = 'spiffe://acme.test/ns/shop/sa/cart'
const path = '/ns/shop/sa/cart'
const cartPod = { uid: 'u1', name: 'cart-0', namespace: 'shop', serviceAccount: 'cart' }
const bundles = { 'spiffe://acme.test': acme.root }
const pem = (der: Uint8Array): string => Buffer.from(der).toString('base64')
const base64 = (text: string | undefined): string => (text ?? '').replace(/-----.*-----|\s/g, '')

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}

async function setUp(): Promise<{
  agent: TestSpireAgent
  clock: ManualClock
  certificates: SpireCertificates
  problems: string[]
}> {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-spire-'))
  const socket = join(folder, 'admin.sock')
  const agent = await startTestSpireAgent(socket)
  const clock = createManualClock(Date.now())
  const problems: string[] = []
  const certificates = createSpireCertificates({
    agent: connectSpireAgent({ socket, clock }),
    clock,
    onProblem: ({ message }) => problems.push(message)
  })
  onTestFinished(() => {
    certificates.close()
    agent.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { agent, clock, certificates, problems }
}

it('asks as the worked example of identity-ca 5.2 does', () => {
  const selectors = ['ns:shop', 'sa:cart'].map(value => ({ type: 'k8s', value }))
  const bytes = delegatedIdentityDefinition.subscribeToX509Svids.requestSerialize({ selectors })
  const selector = (value: string): string =>
    `0a0e0a03${Buffer.from('k8s').toString('hex')}1207${Buffer.from(value).toString('hex')}`
  expect(bytes.toString('hex')).toBe(selector('ns:shop') + selector('sa:cart'))
  expect(bytes).toHaveLength(32)
})

it('serves an identity with its chain and the roots of its trust domain, until a later answer lacks it', async () => {
  const { agent, certificates } = await setUp()
  const other = await createTestTrustDomain('other.test')
  agent.setBundles({ ...bundles, 'spiffe://other.test': Buffer.concat([other.root, acme.root]) })
  const svid = await acme.svid(path)
  agent.set('k8s:pod-uid:u1', [svid, await other.svid(path)])
  const leave = certificates.follow(cartPod)
  const held = await certificates.certificate(cart)
  expect(agent.subscriptions()).toEqual([['k8s:ns:shop', 'k8s:sa:cart', 'k8s:pod-uid:u1', 'k8s:pod-name:cart-0']])
  expect(agent.headers).toEqual([])
  expect(held.certificateChain.map(base64)).toEqual([pem(svid.x509Svid!.certChain[0]!)])
  expect(held.roots.map(base64)).toEqual([pem(acme.root)])
  expect(base64(held.privateKey)).toBe(pem(svid.x509SvidKey))
  expect((await certificates.certificate('spiffe://other.test/ns/shop/sa/cart')).roots).toHaveLength(2)
  expect(certificates.dump().map(({ identity, state }) => [identity, state])).toEqual([
    [cart, 'Available'],
    ['spiffe://other.test/ns/shop/sa/cart', 'Available']
  ])

  agent.set('k8s:pod-uid:u1', [await acme.svid(path)])
  await until(() => certificates.peek(cart)?.id !== held.id)
  expect(certificates.peek('spiffe://other.test/ns/shop/sa/cart')).toBeUndefined()
  agent.set('k8s:pod-uid:u1', [])
  await until(() => certificates.peek(cart) === undefined)
  await expect(certificates.certificate(cart)).rejects.toMatchObject({
    code: 'CERTIFICATE_UNAVAILABLE',
    message: `the SPIRE agent has no certificate of ${cart} for the pods here`
  })
  leave()
  await until(() => agent.subscriptions().length === 0)
})

it('keeps readers waiting for the answer and for the roots, and no longer', async () => {
  const { agent, certificates } = await setUp()
  const early = certificates.certificate(cart)
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  certificates.follow(cartPod)
  await until(() => agent.subscriptions().length === 1)
  expect(certificates.dump()).toEqual([{ identity: cart, state: 'Initializing' }])
  agent.setBundles({})
  await expect(early).rejects.toMatchObject({ message: 'the SPIRE agent has no roots of the trust domain acme.test' })
  agent.setBundles(bundles)
  await until(() => certificates.peek(cart) !== undefined)
})

it('keeps nobody waiting for longer than ten seconds for an agent that says nothing', async () => {
  const { agent, clock, certificates } = await setUp()
  certificates.follow(cartPod)
  await until(() => agent.subscriptions().length === 1)
  const early = certificates.certificate(cart)
  clock.advance(9_999)
  const late = certificates.certificate(cart)
  expect(certificates.dump()).toEqual([{ identity: cart, state: 'Initializing' }])
  clock.advance(1)
  const outcomes = await Promise.allSettled([early, late])
  const reason = { code: 'CERTIFICATE_UNAVAILABLE' }
  expect(outcomes).toMatchObject([{ reason }, { reason }])
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  agent.setBundles(bundles)
  await until(() => certificates.peek(cart) !== undefined)
})

it('keeps nobody waiting for roots whose first answer cannot be read', async () => {
  const { agent, certificates, problems } = await setUp()
  agent.setBundles({ 'spiffe://acme.test': Buffer.from('junk') })
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  certificates.follow(cartPod)
  await expect(certificates.certificate(cart)).rejects.toMatchObject({
    message: 'the SPIRE agent has no roots of the trust domain acme.test'
  })
  expect(problems).toEqual(['roots of "acme.test" are unreadable'])
})

it('takes other roots as another certificate of the same leaf', async () => {
  const { agent, certificates } = await setUp()
  const next = await createTestTrustDomain('acme.test')
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  agent.setBundles(bundles)
  certificates.follow(cartPod)
  const before = await certificates.certificate(cart)
  agent.setBundles({ 'spiffe://acme.test': Buffer.concat([acme.root, next.root]) })
  await until(() => certificates.peek(cart)?.roots.length === 2)
  const after = await certificates.certificate(cart)
  expect(after.certificateChain).toEqual(before.certificateChain)
  expect(after.id).not.toBe(before.id)
  expect(await certificates.certificate(cart)).toBe(after)
  agent.setBundles(bundles)
  await until(() => certificates.peek(cart)?.roots.length === 1)
  expect((await certificates.certificate(cart)).id).toBe(before.id)
})

it('has the certificate of the pod whose lasts longest, and none that has expired', async () => {
  const { agent, clock, certificates } = await setUp()
  agent.setBundles(bundles)
  agent.set('k8s:pod-uid:u1', [await acme.svid(path, { ttlSeconds: 600 })])
  agent.set('k8s:pod-uid:u2', [await acme.svid(path, { ttlSeconds: 1_200 })])
  certificates.follow(cartPod)
  const leave = certificates.follow({ ...cartPod, uid: 'u2', name: 'cart-1' })
  await until(() => agent.subscriptions().length === 2)
  await until(() => (certificates.peek(cart)?.notAfter.getTime() ?? 0) > clock.now() + 1_000_000)
  leave()
  expect(certificates.peek(cart)?.notAfter.getTime()).toBeLessThan(clock.now() + 700_000)
  clock.advance(600_000)
  await expect(certificates.certificate(cart)).rejects.toMatchObject({
    message: expect.stringMatching(/^the certificate of \S+ expired at 20/)
  })
})

it('keeps what it has while the agent is away, and asks again with a wait that grows', async () => {
  const { agent, clock, certificates, problems } = await setUp()
  agent.setBundles(bundles)
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  certificates.follow(cartPod)
  await certificates.certificate(cart)
  agent.cut({ code: status.UNAVAILABLE, details: 'restarting' })
  // One for the certificates, one for the roots, each time.
  for (let round = 1; round <= 3; round += 1) {
    await until(() => problems.length === round * 2)
    expect(certificates.peek(cart)).toBeDefined()
    const calls = agent.calls()
    clock.advance(round * 1_000 - 1)
    expect(agent.calls()).toBe(calls)
    clock.advance(1)
    await until(() => agent.calls() === calls + 2)
  }
  expect(problems[0]).toBe('SPIRE agent (UNAVAILABLE): restarting')
  await until(() => problems.length === 8)
  agent.cut()
  agent.set('k8s:ns:shop', [])
  clock.advance(4_000)
  await until(() => certificates.peek(cart) === undefined)
})

it('does not repeat a question that is wrong, and tells readers what the agent said', async () => {
  const { agent, clock, certificates, problems } = await setUp()
  agent.cut({ code: status.INVALID_ARGUMENT, details: 'could not parse provided selectors' })
  certificates.follow(cartPod)
  await expect(certificates.certificate(cart)).rejects.toThrow(
    'for the pods here: SPIRE agent (INVALID_ARGUMENT): could not parse provided selectors'
  )
  await until(() => problems.length === 2)
  const calls = agent.calls()
  clock.advance(3_600_000)
  await new Promise(resolve => setImmediate(resolve))
  expect(agent.calls()).toBe(calls)
})

it.each([
  ['of another form', async () => acme.svid('/shop/cart'), 'is not of the form'],
  [
    'for somebody else',
    async () => acme.svid(path, { named: '/ns/shop/sa/pay' }),
    'comes with a certificate for another'
  ],
  [
    'with another key',
    async () => ({ ...(await acme.svid(path)), x509SvidKey: (await acme.svid(path)).x509SvidKey }),
    'has the key of another certificate'
  ],
  ['with no key', async () => ({ ...(await acme.svid(path)), x509SvidKey: Buffer.from('?') }), 'has an unreadable key'],
  [
    'with an unreadable chain',
    async () => {
      const { x509Svid, x509SvidKey } = await acme.svid(path)
      return { x509Svid: { ...x509Svid!, certChain: [Buffer.from('junk')] }, x509SvidKey }
    },
    'has an unreadable chain'
  ],
  [
    'without a chain',
    async () => {
      const { x509Svid, x509SvidKey } = await acme.svid(path)
      return { x509Svid: { ...x509Svid!, certChain: [] }, x509SvidKey }
    },
    'has no certificate'
  ]
])('leaves an SVID %s aside and takes its neighbour', async (_, bad, problem) => {
  const { agent, certificates, problems } = await setUp()
  agent.setBundles(bundles)
  agent.set('k8s:ns:shop', [await bad(), await acme.svid('/ns/shop/sa/neighbour')])
  certificates.follow(cartPod)
  await certificates.certificate('spiffe://acme.test/ns/shop/sa/neighbour')
  expect(certificates.peek(cart)).toBeUndefined()
  expect(problems).toEqual([expect.stringContaining(problem)])
})

it.each([
  ['nothing of a certificate', Buffer.from('junk')],
  ['a length beyond the end', Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1])],
  ['half a certificate', acme.root.subarray(0, 100)],
  ['a sequence that is none', Buffer.from([0x30, 3, 2, 1, 5])]
])('keeps the roots it has when an answer holds %s', async (_, junk) => {
  const { agent, certificates, problems } = await setUp()
  agent.setBundles(bundles)
  agent.set('k8s:ns:shop', [await acme.svid(path)])
  certificates.follow(cartPod)
  await certificates.certificate(cart)
  agent.setBundles({ 'spiffe://acme.test': junk })
  await until(() => problems.length > 0)
  expect(problems).toEqual(['roots of "acme.test" are unreadable'])
  expect(certificates.peek(cart)?.roots).toHaveLength(1)
})

it('ends with readers told so', async () => {
  const { certificates } = await setUp()
  const waiting = certificates.certificate(cart)
  certificates.close()
  await expect(waiting).rejects.toMatchObject({ code: 'CERTIFICATE_FORGOTTEN' })
  await expect(certificates.certificate(cart)).rejects.toMatchObject({ code: 'CERTIFICATE_FORGOTTEN' })
})
