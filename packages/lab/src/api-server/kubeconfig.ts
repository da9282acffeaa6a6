import { stringify } from 'yaml'

export interface KubeconfigInput {
  readonly server: string
  readonly caCertificate: string
  readonly user: string
  readonly certificate?: string
  readonly privateKey?: string
  readonly token?: string
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A kubeconfig with one cluster, one user and one context. */
export function writeKubeconfig({
  server,
  caCertificate,
  user,
  certificate,
  privateKey,
  token
}: KubeconfigInput): string {
  const name = 'culvert-lab'
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(caCertificate) } }],
      users: [
        {
          name: user,
          user: {
            ...(certificate === undefined ? {} : { 'client-certificate-data': base64(certificate) }),
            ...(privateKey === undefined ? {} : { 'client-key-data': base64(privateKey) }),
            ...(token === undefined ? {} : { token })
          }
        }
      ],
      contexts: [{ name, context: { cluster: name, user } }],
      'current-context': name
    },
    { lineWidth: 0 }
  )
}
