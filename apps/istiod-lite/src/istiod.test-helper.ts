import { nodes, type V1Pod } from '@culvert/kubernetes'
import { type Client, credentials } from '@grpc/grpc-js'
import type { ControlPlane } from '../test/control-plane.ts'
import { type ClientIdentity, connect, secureCredentials } from '../test/grpc-client.ts'

/** Tokens of the node proxy on node n1, and of the one pod of the namespace `shop` on that node. */
export interface ShopTokens {
  readonly ztunnelToken: string
  readonly cartToken: string
}

export const meshPod = (name: string, namespace: string, account: string, node: string, ip: string): V1Pod => ({
  metadata: { name, namespace, labels: { app: name } },
  spec: { serviceAccountName: account, nodeName: node, containers: [{ name: 'app', image: 'x' }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] }
})

/** The proxy `zt-1` and the pod `cart-0` on node n1, `pay-0` on n2; they are published when this resolves. */
export async function openShop(plane: ControlPlane): Promise<ShopTokens> {
  await plane.createNamespace('shop')
  for (const name of ['n1', 'n2']) await plane.client.create(nodes, { metadata: { name } })
  for (const [namespace, name] of [
    ['istio-system', 'ztunnel'],
    ['shop', 'cart'],
    ['shop', 'pay']
  ] as const) {
    await plane.createAccount(namespace, name)
  }
  const ztunnel = await plane.createPod(meshPod('zt-1', 'istio-system', 'ztunnel', 'n1', '10.0.0.1'))
  const cart = await plane.createPod(meshPod('cart-0', 'shop', 'cart', 'n1', '10.0.0.2'))
  await plane.createPod(meshPod('pay-0', 'shop', 'pay', 'n2', '10.0.0.3'))
  const ztunnelToken = await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel', pod: ztunnel })
  const cartToken = await plane.token({ namespace: 'shop', serviceAccount: 'cart', pod: cart })
  // The pods have arrived in the caches when the control plane has published them.
  await plane.published(names => names.length >= 3)
  return { ztunnelToken, cartToken }
}

export const bearer = (token: string, cluster = 'Kubernetes'): Record<'authorization' | 'clusterid', string> => ({
  authorization: `Bearer ${token}`,
  clusterid: cluster
})

/** To the port that authenticates, with a client certificate if there is one. */
export const secure = (to: ControlPlane, identity?: ClientIdentity): Client =>
  connect(to.securePort, secureCredentials(to.root, identity))

export const plaintext = (to: ControlPlane): Client => connect(to.plainPort, credentials.createInsecure())
