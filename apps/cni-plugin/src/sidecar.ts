import type { Container, Pod } from './api-client.ts'

/** Why a pod needs no sidecar redirection; undefined: it was injected, and does (docs/spec/cni.md 2.7). */
export function reasonWithoutRedirection(pod: Pod): string | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  if (containers.some(container => container.name === 'istio-init')) return 'it has an istio-init container'
  const proxy = containers.find(container => container.name === 'istio-proxy')
  if (proxy !== undefined && parseBool(envOf(proxy, 'DISABLE_ENVOY')) === true) return 'its proxy has Envoy disabled'
  if (proxy === undefined) return 'it has no istio-proxy container'
  const [first, second] = proxy.args ?? []
  if (first === 'proxy' && second !== undefined && second !== 'sidecar') return `its proxy is a ${second}`
  const annotations = pod.metadata?.annotations ?? {}
  const inject = pod.metadata?.labels?.['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject']
  if (parseBool(inject) === false) return 'injection is switched off for it'
  return Object.hasOwn(annotations, 'sidecar.istio.io/status') ? undefined : 'it was not injected'
}

function envOf(container: Container, name: string): string | undefined {
  return container.env?.find(entry => entry.name === name)?.value
}

/** What Go's strconv.ParseBool takes; undefined for everything else. */
function parseBool(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}
