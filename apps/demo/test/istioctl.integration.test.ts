import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { labUnsupported } from '@culvert/lab'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Mesh, startMesh } from './mesh-fixture.ts'
import { istioctlPath, onNode, ourZtunnel, peerZtunnel, peerZtunnelPath } from './peer-programs.ts'

const unsupported = labUnsupported() !== undefined

/** A mesh with everything in it that istioctl has a column for, and what istioctl prints of it. */
interface Watched {
  readonly mesh: Mesh
  /** Standard output; the program must succeed. */
  readonly istioctl: (...args: string[]) => Promise<string>
  /** The ztunnel of a node, as istioctl names it. */
  readonly ztunnel: (node: string) => Promise<string>
}

const scenery = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-customer, namespace: shop }
spec:
  selector: { matchLabels: { app: details } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/default], notNamespaces: [dark] } }]
      to: [{ operation: { ports: ["9080"] } }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-strangers, namespace: shop }
spec:
  action: DENY
  rules: [{ from: [{ source: { notNamespaces: [shop], ipBlocks: [192.0.2.0/24] } }] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everywhere, namespace: istio-system }
spec:
  action: DENY
  rules: [{ from: [{ source: { principals: ["*/sa/evil", "spiffe://x/*"] } }] }]
`

async function watch(replaced?: Parameters<typeof startMesh>[0]): Promise<Watched> {
  const mesh = await startMesh(replaced)
  const istioctl = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, KUBECONFIG: mesh.cluster.kubeconfig.path }
    return (await promisify(execFile)(istioctlPath!, args, { env, timeout: 30_000 })).stdout
  }
  const ztunnel = async (node: string): Promise<string> =>
    `${(await mesh.program('app=ztunnel', node)).metadata!.name}.istio-system`
  try {
    await mesh.cluster.apply(scenery)
    await mesh.eventually('both node proxies know the policies', async () => {
      const known = await Promise.all(
        ['node-1', 'node-2'].map(async node => istioctl('zc', 'policy', await ztunnel(node)))
      )
      return known.every(text => rows(text).length === 3) ? true : undefined
    })
    await mesh.eventually('the customer’s connection is in a tunnel', async () =>
      rows(await istioctl('zc', 'connections', await ztunnel('node-1'))).some(row => row.includes('HBONE'))
        ? true
        : undefined
    )
  } catch (error) {
    await mesh[Symbol.asyncDispose]()
    throw error
  }
  return { mesh, istioctl, ztunnel }
}

/** The table without its head, cells by their columns. */
function rows(table: string): string[][] {
  return table
    .split('\n')
    .slice(1)
    .filter(line => line !== '')
    .map(line => line.trim().split(/\s{2,}|\s(?=\S)/))
}

const head = (table: string): string[] | undefined =>
  table
    .split('\n')[0]
    ?.trim()
    .split(/\s{2,}/)

describe.skipIf(unsupported || !istioctlPath)('istioctl and our programs', () => {
  let watched: Watched
  beforeAll(async () => {
    watched = await watch()
  })
  afterAll(() => watched?.mesh[Symbol.asyncDispose]())

  it('[observability-dns-28] knows our control plane’s version and its clients (needs CULVERT_PEER_ISTIOCTL)', async () => {
    const { istioctl, ztunnel } = watched
    expect(await istioctl('version')).toMatch(/^control plane version: 0\.1\.0$/m)
    const status = await istioctl('proxy-status')
    const { name } = (await watched.mesh.program('app=istiod')).metadata!
    expect(rows(status).map(([proxy, cluster, istiod]) => [proxy, cluster, istiod])).toEqual(
      [await ztunnel('node-1'), await ztunnel('node-2')].sort().map(proxy => [proxy, 'Kubernetes', name])
    )
    expect(status.match(/ 2 \(WADS,WDS\)| 2 \(WDS,WADS\)/g)).toHaveLength(2)
  })

  it('[observability-dns-19] prints workloads, services and policies (needs CULVERT_PEER_ISTIOCTL)', async () => {
    const { istioctl } = watched
    const workloads = await istioctl('zc', 'workload', '--workload-namespace', 'shop')
    expect(rows(workloads).map(([, pod, , node, waypoint, protocol]) => [pod, node, waypoint, protocol])).toEqual([
      ['customer', 'node-1', 'None', 'HBONE'],
      ['details', 'node-2', 'None', 'HBONE'],
      ['store', 'node-2', 'None', 'HBONE']
    ])
    const services = await istioctl('zc', 'service', '--service-namespace', 'shop')
    expect(rows(services).map(([, name, , waypoint, endpoints]) => [name, waypoint, endpoints])).toEqual([
      ['details', 'None', '1/1'],
      ['store', 'None', '1/1']
    ])
    expect(rows(await istioctl('zc', 'policy'))).toEqual([
      ['istio-system', 'everywhere', 'Deny', 'Global'],
      ['shop', 'no-strangers', 'Deny', 'Namespace'],
      ['shop', 'only-customer', 'Allow', 'WorkloadSelector']
    ])
  })

  it('[observability-dns-16, 19] prints certificates and connections of a node (needs CULVERT_PEER_ISTIOCTL)', async () => {
    const { istioctl } = watched
    const certificates = rows(await istioctl('zc', 'certificate', '--node', 'node-2'))
    expect(certificates.map(row => row.slice(0, 4))).toEqual([
      ['spiffe://cluster.local/ns/shop/sa/default', 'Leaf', 'Available', 'true'],
      ['spiffe://cluster.local/ns/shop/sa/default', 'Root', 'Available', 'true']
    ])
    for (const [, , , , serial] of certificates) expect(serial).toMatch(/^[0-9a-f]{16,32}$/)
    const connections = rows(await istioctl('zc', 'connections', '--node', 'node-1', '--direction', 'outbound'))
    expect(connections.at(-1)).toEqual([
      'customer.shop',
      'Outbound',
      expect.stringMatching(/^customer\.shop:\d+$/),
      'store.shop:15008',
      'store.shop.svc.cluster.local:7000',
      'HBONE'
    ])
    const inbound = rows(await istioctl('zc', 'connections', '--node', 'node-2', '--direction', 'inbound'))
    expect(inbound.at(-1)).toEqual([
      'store.shop',
      'Inbound',
      'store.shop:7000',
      expect.stringMatching(/^customer\.shop:\d+$/),
      'store.shop.svc.cluster.local',
      'HBONE'
    ])
  })

  it('[observability-dns-19] prints all five tables, and changes levels (needs CULVERT_PEER_ISTIOCTL)', async () => {
    const { istioctl, ztunnel } = watched
    const all = await istioctl('zc', 'all', '--node', 'node-1')
    for (const column of ['POD NAME', 'SERVICE NAME', 'POLICY NAME', 'CERTIFICATE NAME', 'REMOTE TARGET']) {
      expect(all).toContain(column)
    }
    const proxy = await ztunnel('node-1')
    const filter = 'current log level is hickory_server::server=off'
    expect(await istioctl('zc', 'log', proxy, '--level', 'access=debug')).toContain(`${filter},access=debug,info`)
    expect(await istioctl('zc', 'log', proxy, '--reset')).toContain(`${filter},info`)
  })
})

describe.skipIf(unsupported || !istioctlPath || !peerZtunnelPath)('istioctl between our ztunnel and Istio’s', () => {
  let watched: Watched
  beforeAll(async () => {
    watched = await watch({ 'culvert/ztunnel': onNode('node-1', peerZtunnel(), ourZtunnel) })
  })
  afterAll(() => watched?.mesh[Symbol.asyncDispose]())

  it.each(['workload', 'service', 'policy'])(
    'prints the same %s table and JSON of both (needs CULVERT_PEER_ISTIOCTL) (needs CULVERT_PEER_ZTUNNEL)',
    async what => {
      const { istioctl, ztunnel } = watched
      const [theirs, ours] = [await ztunnel('node-1'), await ztunnel('node-2')]
      expect(await istioctl('zc', what, ours)).toBe(await istioctl('zc', what, theirs))
      expect(JSON.parse(await istioctl('zc', what, ours, '-o', 'json'))).toEqual(
        JSON.parse(await istioctl('zc', what, theirs, '-o', 'json'))
      )
    }
  )

  it('dumps policies, services and workloads as Istio’s ztunnel does, key by key (needs CULVERT_PEER_ISTIOCTL) (needs CULVERT_PEER_ZTUNNEL)', async () => {
    const { istioctl, ztunnel } = watched
    const dump = async (node: string) => JSON.parse(await istioctl('zc', 'all', await ztunnel(node), '-o', 'json'))
    const [theirs, ours] = [await dump('node-1'), await dump('node-2')]
    expect(Object.keys(ours)).toEqual(Object.keys(theirs))
    for (const what of ['policies', 'services', 'workloads', 'stagedServices', 'staticConfig']) {
      expect(ours[what], what).toEqual(theirs[what])
    }
    expect(Object.keys(ours.config)).toEqual(Object.keys(theirs.config))
    expect(Object.keys(ours.version)).toEqual(Object.keys(theirs.version))
    const shape = ({ certChain, rootCerts, ...rest }: Record<string, object[]>) => ({
      ...rest,
      certChain: certChain?.map(one => Object.keys(one)),
      rootCerts: rootCerts?.map(one => Object.keys(one))
    })
    expect(ours.certificates.map(shape)).toEqual(theirs.certificates.map(shape))
  })

  it.each(['certificate', 'connections'])(
    'prints the %s of both alike (needs CULVERT_PEER_ISTIOCTL) (needs CULVERT_PEER_ZTUNNEL)',
    async what => {
      const { istioctl } = watched
      const [theirs, ours] = [
        await istioctl('zc', what, '--node', 'node-1'),
        await istioctl('zc', what, '--node', 'node-2')
      ]
      expect(head(ours)).toEqual(head(theirs))
      expect(rows(ours).length).toBeGreaterThan(0)
      expect(rows(ours).every(row => row.length === rows(theirs)[0]!.length)).toBe(true)
    }
  )
})
