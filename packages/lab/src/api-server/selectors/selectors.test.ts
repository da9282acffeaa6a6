import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../objects.ts'
import { StatusError } from '../status.ts'
import { matchesFields, parseFieldSelector } from './field-selector.ts'
import { formatRequirements, fromLabelSelector, matchesLabels, parseLabelSelector } from './label-selector.ts'

const labels = { app: 'cart', tier: 'web', 'istio.io/dataplane-mode': 'ambient', empty: '', size: '5' }

describe('label selector', () => {
  it.each([
    { text: '', matches: true },
    { text: 'app=cart', matches: true },
    { text: 'app==cart,tier=web', matches: true },
    { text: 'app=cart,tier=db', matches: false },
    { text: 'app!=cart', matches: false },
    { text: 'other!=cart', matches: true },
    { text: 'app in (a, cart)', matches: true },
    { text: 'app notin (a,cart)', matches: false },
    { text: 'other notin (a)', matches: true },
    { text: 'app', matches: true },
    { text: '!app', matches: false },
    { text: '!other, app', matches: true },
    { text: 'istio.io/dataplane-mode=ambient', matches: true },
    { text: 'empty=', matches: true },
    { text: 'size>4', matches: true },
    { text: 'size<4', matches: false },
    { text: 'toString', matches: false }
  ])('$text: $matches', ({ text, matches }) => {
    expect(matchesLabels(parseLabelSelector(text), labels)).toBe(matches)
  })

  it.each(['a b', '=x', 'a=b c', 'a in b', 'a in (b', '-a=b', 'a=-', 'a>x', `${'a'.repeat(64)}=b`])(
    'refuses %s',
    text => {
      expect(() => parseLabelSelector(text)).toThrow(StatusError)
    }
  )

  it.each([
    { selector: { matchLabels: { app: 'cart' } }, matches: true, text: 'app=cart' },
    {
      selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'cart'] }] },
      matches: true,
      text: 'app in (a,cart)'
    },
    { selector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, matches: false, text: '!app' },
    { selector: {}, matches: true, text: '' }
  ])('takes $selector', ({ selector, matches, text }) => {
    const requirements = fromLabelSelector(selector)
    expect(matchesLabels(requirements, labels)).toBe(matches)
    expect(formatRequirements(requirements)).toBe(text)
  })
})

describe('field selector', () => {
  const pod = {
    metadata: { name: 'one', namespace: 'shop' },
    spec: { nodeName: 'n', hostNetwork: true },
    status: { phase: 'Running' }
  }
  it.each([
    { text: 'metadata.name=one', matches: true },
    { text: 'metadata.name!=one', matches: false },
    { text: 'spec.nodeName==n,status.phase=Running', matches: true },
    { text: 'spec.nodeName=', matches: false },
    { text: 'spec.other=', matches: true },
    { text: 'spec.hostNetwork=true', matches: true },
    { text: 'status.phase!=Failed', matches: true },
    { text: 'constructor.name=Object', matches: false }
  ])('$text: $matches', ({ text, matches }) => {
    expect(matchesFields(parseFieldSelector(text), pod as unknown as KubeObject)).toBe(matches)
  })

  it.each(['a', 'a>b', '=b'])('refuses %s', text => {
    expect(() => parseFieldSelector(text)).toThrow(StatusError)
  })
})
