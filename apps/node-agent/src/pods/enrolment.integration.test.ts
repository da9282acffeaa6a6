import { readdirSync, readlinkSync } from 'node:fs'
import { createNetns, duplicateNetns, type Netns, sameNetns } from '@culvert/netns'
import { ZdsError } from '@culvert/zds'
import { notRoot, titled } from '@culvert/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { podOf } from '../../test/objects.ts'
import { createEnrolment, type Enrolment } from './enrolment.ts'
import { takeInitialSnapshot } from './initial-snapshot.ts'
import { createPodCache, type PodCache } from './pod-cache.ts'

const info = { name: 'till-0', namespace: 'shop', serviceAccount: 'cart' }

/** Descriptors of this process that hold the namespace. */
function held(inode: bigint): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `net:[${inode}]`
    } catch {
      return false
    }
  }).length
}

describe.skipIf(notRoot)(titled('the pod cache'), () => {
  let cache: PodCache
  beforeEach(() => {
    cache = createPodCache()
  })
  afterEach(() => cache.close())

  it('[cni-30] keeps the old handle of the same namespace and takes the one of another', () => {
    const first = createNetns()
    const second = createNetns()
    const [firstInode, secondInode] = [first.inode, second.inode]
    cache.upsert('u', info, first)
    cache.upsert('u', { ...info, serviceAccount: 'till' }, duplicateNetns(first))
    expect(held(firstInode)).toBe(1)
    expect(cache.snapshot()).toEqual([{ uid: 'u', info: { ...info, serviceAccount: 'till' }, netns: first }])
    cache.upsert('u', info, second)
    expect(cache.netns('u')).toBe(second)
    expect([held(firstInode), held(secondInode)]).toEqual([0, 1])
  })

  it('gives a pod away once', () => {
    cache.reserve('u', info)
    expect(cache.take('u')).toEqual({ netns: undefined })
    expect(cache.take('u')).toBeUndefined()
  })
})

describe.skipIf(notRoot)(titled('enrolment'), () => {
  let netns: Netns
  let cache: PodCache
  let calls: string[]
  /** What each kind of call fails with, until taken away. */
  let failing: Map<string, Error>
  let owners: Map<string, string>
  let warnings: string[]
  let enrolment: Enrolment

  const known = (uid: string): boolean => cache.snapshot().some(pod => pod.uid === uid)

  const call = async (kind: string, text = ''): Promise<void> => {
    calls.push(`${kind} ${text}`.trim())
    const failure = failing.get(kind)
    if (failure) throw failure
  }

  beforeEach(() => {
    netns = createNetns()
    cache = createPodCache()
    ;[calls, failing, owners, warnings] = [[], new Map(), new Map(), []]
    enrolment = createEnrolment({
      cache,
      capture: {
        createPodRules: (pod, overrides) => call('rules', `${sameNetns(pod, netns)} dns=${overrides.dnsCapture}`),
        deletePodRules: () => call('delete-rules'),
        probeAddresses: {
          add: async (ip: string, uid: string) => {
            await call('address', ip)
            owners.set(ip, uid)
          },
          remove: async (ip: string, uid: string) => {
            await call('remove-address', ip)
            if (!owners.has(ip)) return 'absent'
            if (owners.get(ip) !== uid) return 'foreign'
            owners.delete(ip)
            return 'removed'
          }
        } as never
      },
      zds: {
        add: (uid, workload) => call('ztunnel-add', `${uid} ${workload.serviceAccount}`),
        delete: uid => call('ztunnel-delete', uid)
      },
      annotate: (_, redirection) => call('annotate', String(redirection)),
      openPath: path => {
        if (path !== '/var/run/netns/cni-1') throw new Error(`ENOENT: '${path}'`)
        return openAgain()
      },
      find: () => openAgain(),
      log: { debug() {}, info() {}, warn: message => warnings.push(message) }
    })
  })
  afterEach(() => {
    cache.close()
    netns.close()
  })
  const openAgain = (): Netns => duplicateNetns(netns)

  const pod = podOf('till-0', {
    ips: ['10.1.0.1', 'fd00::1'],
    annotations: { 'ambient.istio.io/dns-capture': 'false' }
  })
  const added = [
    'rules true dns=false',
    'ztunnel-add uid-of-till-0 cart',
    'address 10.1.0.1',
    'address fd00::1',
    'annotate enabled'
  ]

  it('adds in order: rules, ztunnel, addresses, annotation', async () => {
    await enrolment.add(pod, ['10.1.0.1', 'fd00::1'])
    expect(calls).toEqual(added)
    await enrolment.add(pod, ['10.1.0.1', 'fd00::1'], { netnsPath: '/var/run/netns/cni-1' })
    await enrolment.add(pod, ['10.1.0.1', 'fd00::1'], { netnsPath: '' })
    expect(calls).toEqual([...added, ...added, ...added])
    // One handle of the cache's, one of this test's.
    expect(held(netns.inode)).toBe(2)
  })

  it('works on one pod for one caller at a time', async () => {
    await Promise.all([enrolment.add(pod, ['10.1.0.1', 'fd00::1']), enrolment.add(pod, ['10.1.0.1', 'fd00::1'])])
    expect(calls).toEqual([...added, ...added])
  })

  it('[capture-17] without rules: no ztunnel, no address, no annotation, not retryable', async () => {
    failing.set('rules', new Error('iptables-restore failed'))
    const failure = await enrolment.add(pod, ['10.1.0.1']).catch(error => error)
    expect(failure).toMatchObject({ code: 'AGENT_POD_RULES', retryable: false })
    expect(failure.message).toContain('iptables-restore failed')
    expect(calls).toEqual(['rules true dns=false'])
    expect([known('uid-of-till-0'), held(netns.inode)]).toEqual([false, 1])
  })

  it('without a namespace: not retryable, and forgotten', async () => {
    const failure = await enrolment.add(pod, [], { netnsPath: '/var/run/netns/gone' }).catch(error => error)
    expect(failure).toMatchObject({ code: 'AGENT_NO_NETNS', retryable: false })
    expect([calls, known('uid-of-till-0')]).toEqual([[], false])
  })

  it.each([
    new ZdsError('ZDS_NO_CONNECTION', 'no ztunnel connection'),
    new ZdsError('ZDS_NACK', 'got ack error: no room')
  ])('$message: pending, in the cache, retryable, no address', async refusal => {
    failing.set('ztunnel-add', refusal)
    const failure = await enrolment.add(pod, ['10.1.0.1']).catch(error => error)
    expect(failure).toMatchObject({ retryable: true, message: refusal.message })
    expect(calls).toEqual([...added.slice(0, 2), 'annotate pending'])
    expect(cache.snapshot()).toMatchObject([{ uid: 'uid-of-till-0', info }])
    failing.clear()
    calls.length = 0
    await enrolment.add(pod, ['10.1.0.1', 'fd00::1'])
    expect(calls).toEqual(added)
  })

  it('reports the failure of the pending annotation instead', async () => {
    failing.set('ztunnel-add', new ZdsError('ZDS_NO_CONNECTION', 'no ztunnel connection'))
    failing.set('annotate', new Error('API server away'))
    await expect(enrolment.add(pod, [])).rejects.toThrowError('API server away')
  })

  it('an address that cannot be added: the others are, not annotated, retryable', async () => {
    failing.set('address', new Error('set is full'))
    const failure = await enrolment.add(pod, ['10.1.0.1', 'fd00::1']).catch(error => error)
    expect(failure).toMatchObject({ code: 'AGENT_PROBE_SET', retryable: true })
    expect(calls.slice(-2)).toEqual(['address 10.1.0.1', 'address fd00::1'])
  })

  const removed = (rules: boolean): string[] => [
    'remove-address 10.1.0.1',
    'remove-address fd00::1',
    ...(rules ? ['delete-rules'] : []),
    'ztunnel-delete uid-of-till-0',
    'annotate undefined'
  ]

  it('removes in order, and lets go of the namespace', async () => {
    await enrolment.add(pod, ['10.1.0.1', 'fd00::1'])
    calls.length = 0
    await enrolment.remove(pod, { deleted: false })
    expect(calls).toEqual(removed(true))
    expect([known('uid-of-till-0'), owners.size, held(netns.inode)]).toEqual([false, 0, 1])
  })

  it('[capture-16] runs nothing inside a pod that is deleted', async () => {
    await enrolment.add(pod, ['10.1.0.1'])
    calls.length = 0
    failing.set('annotate', new Error('API server away'))
    await enrolment.remove(pod, { deleted: true })
    expect(calls).toEqual(removed(false))
  })

  it('leaves the address of a successor', async () => {
    owners.set('10.1.0.1', 'somebody else')
    await enrolment.remove(pod, { deleted: true })
    expect(owners.get('10.1.0.1')).toBe('somebody else')
    expect(warnings.join()).toContain('belongs to another pod')
  })

  it.each(['remove-address', 'delete-rules', 'ztunnel-delete', 'annotate'])('a failed %s is retryable', async kind => {
    await enrolment.add(pod, [])
    failing.set(kind, new Error('busy'))
    const failure = await enrolment.remove(pod, { deleted: false }).catch(error => error)
    expect(failure.message).toContain('busy')
    expect(failure.retryable ?? true).toBe(true)
    failing.clear()
    await enrolment.remove(pod, { deleted: false })
    expect(known('uid-of-till-0')).toBe(false)
  })

  describe('the initial snapshot', () => {
    const other = podOf('till-1', { ips: ['10.1.0.2'], redirection: 'enabled' })
    const enrolled = podOf('till-0', { ips: ['10.1.0.1'], redirection: 'enabled' })
    const take = async (pods: Parameters<typeof takeInitialSnapshot>[0]['pods'], reconcile = false) => {
      const pruned: string[][] = []
      await takeInitialSnapshot({
        pods,
        systemNamespace: 'istio-system',
        cache,
        probeAddresses: {
          prune: async keep => {
            pruned.push([...keep])
            return []
          }
        },
        enrolment,
        scan: wanted =>
          new Map(wanted.filter(({ uid }) => uid === 'uid-of-till-0').map(({ uid }) => [uid, openAgain()])),
        reconcile,
        log: { debug() {}, info() {}, warn: message => warnings.push(message) }
      })
      return pruned
    }

    it('takes over enrolled pods, those without namespace as such', async () => {
      const pruned = await take([
        enrolled,
        other,
        podOf('pending', { ips: ['10.1.0.3'], redirection: 'pending' }),
        podOf('done', { ips: ['10.1.0.4'], redirection: 'enabled', phase: 'Failed' }),
        podOf('out', { ips: ['10.1.0.5'] }),
        podOf('zt', { namespace: 'istio-system', labels: { app: 'ztunnel' }, redirection: 'enabled' })
      ])
      expect(pruned).toEqual([['10.1.0.1', '10.1.0.2']])
      expect(calls).toEqual(['address 10.1.0.1', 'address 10.1.0.2'])
      expect(cache.snapshot().map(({ uid, netns: own }) => [uid, own !== undefined])).toEqual([
        ['uid-of-till-0', true],
        ['uid-of-till-1', false]
      ])
      expect(warnings.join()).toContain('shop/till-1')
    })

    it('[capture-22] prunes nothing while one pod has no address', async () => {
      expect(await take([enrolled, podOf('till-2', { redirection: 'enabled' })])).toEqual([])
    })

    it('creates rules again with reconcile, and lives with failures', async () => {
      failing.set('rules', new Error('iptables said no'))
      await take([enrolled, other], true)
      expect(calls.filter(text => text.startsWith('rules'))).toEqual(['rules true dns=undefined'])
      expect(warnings.join()).toContain('iptables said no')
      expect(known('uid-of-till-0')).toBe(true)
    })
  })
})
