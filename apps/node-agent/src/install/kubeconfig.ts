import { isIPv6 } from 'node:net'

export interface KubeconfigInput {
  readonly protocol: string
  readonly host: string
  readonly port: string
  /** PEM; undefined skips the check of the server's certificate. */
  readonly caCertificate: string | undefined
  /** As in the service account's file, verbatim. */
  readonly token: string
}

/**
 * The plugin's way to the API server (docs/spec/cni.md 3.2). JSON is YAML too, and the plugin, which starts anew for every
 * pod, need not load a YAML parser to read it.
 */
export function pluginKubeconfig({ protocol, host, port, caCertificate, token }: KubeconfigInput): string {
  const server = `${protocol}://${isIPv6(host) ? `[${host}]` : host}:${port}`
  const trust =
    caCertificate === undefined
      ? { 'insecure-skip-tls-verify': true }
      : { 'certificate-authority-data': Buffer.from(caCertificate).toString('base64') }
  const config = {
    kind: 'Config',
    apiVersion: 'v1',
    clusters: [{ name: 'local', cluster: { ...trust, server } }],
    users: [{ name: 'istio-cni', user: { token } }],
    contexts: [{ name: 'istio-cni-context', context: { cluster: 'local', user: 'istio-cni' } }],
    'current-context': 'istio-cni-context'
  }
  return `${JSON.stringify(config, null, 2)}\n`
}
