import { expect, it } from 'vitest'
import type { Container, Pod } from './api-client.ts'
import { reasonWithoutRedirection } from './sidecar.ts'

const proxy: Container = { name: 'istio-proxy', args: ['proxy', 'sidecar'] }
const status = { 'sidecar.istio.io/status': '{}' }
const inject = (value: string): Record<string, string> => ({ 'sidecar.istio.io/inject': value })
const pod = (containers: Container[], annotations: Record<string, string> = status, labels = {}): Pod => ({
  metadata: { annotations, labels },
  spec: { containers }
})
const disabled = (value: string): Container => ({ ...proxy, env: [{ name: 'DISABLE_ENVOY', value }] })

it.each([
  { what: 'an injected pod', pod: pod([proxy]), expected: undefined },
  { what: 'a native sidecar', pod: { ...pod([]), spec: { initContainers: [proxy] } }, expected: undefined },
  { what: 'an istio-init container', pod: pod([proxy, { name: 'istio-init' }]), expected: /istio-init/ },
  { what: 'DISABLE_ENVOY=t', pod: pod([disabled('t')]), expected: /disabled/ },
  { what: 'DISABLE_ENVOY=yes', pod: pod([disabled('yes')]), expected: undefined },
  { what: 'no proxy', pod: pod([{ name: 'app' }]), expected: /no istio-proxy/ },
  { what: 'a router', pod: pod([{ ...proxy, args: ['proxy', 'router'] }]), expected: /router/ },
  { what: 'one argument', pod: pod([{ ...proxy, args: ['proxy'] }]), expected: undefined },
  { what: 'another first argument', pod: pod([{ ...proxy, args: ['run', 'router'] }]), expected: undefined },
  { what: 'the annotation inject=F', pod: pod([proxy], { ...status, ...inject('F') }), expected: /switched off/ },
  {
    what: 'the label over the annotation',
    pod: pod([proxy], { ...status, ...inject('false') }, inject('true')),
    expected: undefined
  },
  { what: 'an unreadable inject', pod: pod([proxy], status, inject('no')), expected: undefined },
  { what: 'no status', pod: pod([proxy], {}), expected: /not injected/ },
  { what: 'nothing at all', pod: {}, expected: /no istio-proxy/ }
])('$what', ({ pod, expected }) => {
  const reason = reasonWithoutRedirection(pod)
  if (expected === undefined) expect(reason).toBeUndefined()
  else expect(reason).toMatch(expected)
})
