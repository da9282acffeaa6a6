import { describe, expect, it } from 'vitest'
import { podOf } from '../../test/objects.ts'
import { decideDelete, decideUpdate } from './decide.ts'

const a = ['10.1.0.1']
const both = ['10.1.0.1', 'fd00::1']

describe('a pod update', () => {
  it.each([
    { name: 'wanted, out, with an address: in', now: { ips: a }, want: true, kind: 'add' },
    { name: 'wanted, out, no address yet: a later update will come', now: {}, want: true, kind: 'nothing' },
    { name: 'wanted and pending: again', now: { ips: a, redirection: 'pending' }, want: true, kind: 'add' },
    {
      name: 'wanted and enrolled: done',
      now: { ips: a, redirection: 'enabled' },
      old: { ips: a },
      want: true,
      kind: 'nothing'
    },
    {
      name: 'enrolled, addresses in another order',
      now: { ips: both, redirection: 'enabled' },
      old: { ips: both.toReversed() },
      want: true,
      kind: 'nothing'
    },
    {
      name: 'enrolled, a new address',
      now: { ips: both, redirection: 'enabled' },
      old: { ips: a },
      want: true,
      kind: 'readdress'
    },
    { name: 'enrolled, addresses lost', now: { redirection: 'enabled' }, old: { ips: a }, want: true, kind: 'nothing' },
    { name: 'not wanted and out', now: { ips: a }, want: false, kind: 'nothing' },
    { name: 'not wanted but enrolled: out', now: { ips: a, redirection: 'enabled' }, want: false, kind: 'remove' },
    { name: 'not wanted but pending: out', now: { ips: a, redirection: 'pending' }, want: false, kind: 'remove' },
    { name: 'finished, never in', now: { ips: a, phase: 'Succeeded' }, want: true, kind: 'nothing' },
    { name: 'an annotation that means nothing', now: { ips: a, redirection: 'off' }, want: false, kind: 'nothing' }
  ])('$name', ({ now, old, want, kind }) => {
    const current = podOf('till-0', now)
    expect(decideUpdate({ old: old ? podOf('till-0', old) : current, current, want })).toMatchObject({ kind })
  })

  it.each(['Succeeded', 'Failed'])(
    '%s and enrolled: removed as deleted, by the old object, which has the address',
    phase => {
      const old = podOf('till-0', { ips: a, redirection: 'enabled' })
      const current = podOf('till-0', { phase, redirection: 'enabled' })
      expect(decideUpdate({ old, current, want: true })).toEqual({ kind: 'remove', pod: old, deleted: true })
    }
  )
})

describe('a pod deletion', () => {
  it.each([
    { redirection: 'enabled', eligible: false, kind: 'remove' },
    { redirection: 'pending', eligible: false, kind: 'remove' },
    { redirection: undefined, eligible: true, kind: 'remove' },
    { redirection: undefined, eligible: false, kind: 'nothing' }
  ])('$redirection, eligible $eligible: $kind', ({ redirection, eligible, kind }) => {
    const pod = podOf('till-0', redirection === undefined ? {} : { redirection })
    expect(decideDelete(pod, eligible)).toMatchObject({ kind, ...(kind === 'remove' && { deleted: true }) })
  })
})
