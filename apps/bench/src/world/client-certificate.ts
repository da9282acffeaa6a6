import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { secrets } from '@culvert/kubernetes'
import type { Cluster } from '@culvert/lab'
import { run } from '@culvert/netns'
import { BenchError } from '../errors.ts'
import type { ClientCertificate } from '../load/tls-handshakes.ts'
import { namespace } from './manifests.ts'

/**
 * The client's identity in files that a program of its own can use: a certificate as the control plane's authority makes
 * them, signed with its key.
 */
export async function clientCertificate(cluster: Cluster): Promise<ClientCertificate & Disposable> {
  const secret = await cluster.client.get(secrets, { namespace: 'istio-system', name: 'istio-ca-secret' })
  const directory = mkdtempSync(path.join(tmpdir(), 'culvert-bench-'))
  const file = (name: string): string => path.join(directory, name)
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run(undefined, 'openssl', args)
    if (code !== 0) throw new BenchError('BENCH_SETUP', `openssl ${args[0]}: ${stderr.trim()}`)
  }
  try {
    for (const name of ['ca-cert.pem', 'ca-key.pem']) {
      writeFileSync(file(name), Buffer.from(secret?.data?.[name] ?? '', 'base64'), { mode: 0o600 })
    }
    writeFileSync(file('names'), `subjectAltName=critical,URI:spiffe://cluster.local/ns/${namespace}/sa/client\n`)
    await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file('key.pem'))
    await openssl('req', '-new', '-key', file('key.pem'), '-subj', '/', '-out', file('request.pem'))
    const authority = ['-CA', file('ca-cert.pem'), '-CAkey', file('ca-key.pem')]
    const request = ['-req', '-in', file('request.pem'), '-extfile', file('names'), '-days', '1']
    await openssl('x509', ...request, ...authority, '-out', file('chain.pem'))
    return { roots: file('ca-cert.pem'), chain: file('chain.pem'), key: file('key.pem'), [Symbol.dispose]: remove }
  } catch (error) {
    remove()
    throw error
  }
}
