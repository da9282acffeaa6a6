import { type Mesh, pod } from './mesh-fixture.ts'

export const details = 'http://details:9080/details/0'
export const menu = 'http://menu:9080/details/0'

/** A pod on node-2 that asks, and one on node-1 that answers: the other direction of what the fixture has. */
export async function bothWays({ cluster }: Mesh): Promise<void> {
  await cluster.apply(pod('visitor', 'node-2', ['wanderer']))
  await cluster.apply(`${pod('menu', 'node-1', ['details'])}
---
apiVersion: v1
kind: Service
metadata: { name: menu, namespace: shop }
spec:
  selector: { app: menu }
  ports: [{ name: http, port: 9080 }]
`)
  await cluster.pods.ready({ namespace: 'shop', count: 5 })
}

const denyShop = `  action: DENY
  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/default] } }] }]
`

export const nobodyTo = (app: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody-to-${app}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${app} } }
  action: ALLOW
`

export const noneOfShopTo = (app: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: none-of-shop-to-${app}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${app} } }
${denyShop}`

/** Of the namespace, so that it also concerns connections of workloads as they were (docs/spec/authorization.md 3.6). */
export const noneOfShop: string = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: none-of-shop, namespace: shop }
spec:
${denyShop}`

/** Asks both ways without a pause while `act` runs; the failures. */
export async function failuresWhile(mesh: Mesh, act: () => Promise<void>): Promise<string[]> {
  const failures: string[] = []
  let over = false
  const asking = [
    ['customer', details],
    ['visitor', menu]
  ].map(async ([from = '', url = '']) => {
    while (!over) if ((await mesh.ask(from, url)) === undefined) failures.push(`${from} → ${url}`)
  })
  try {
    await act()
  } finally {
    over = true
    await Promise.all(asking)
  }
  return failures
}

/** Resolves when both are answered. */
export async function trafficBothWays(mesh: Mesh): Promise<void> {
  await bothWays(mesh)
  await mesh.eventually(
    'traffic both ways',
    async () => (await mesh.ask('customer', details)) && (await mesh.ask('visitor', menu))
  )
}

export async function refusedBothWays(mesh: Mesh): Promise<void> {
  await mesh.eventually('refused both ways', async () => {
    const answers = [await mesh.ask('customer', details), await mesh.ask('visitor', menu)]
    return answers.every(answer => answer === undefined) ? true : undefined
  })
}

/** Each of them starts a cluster, and the old proxies' grace period may be waited for. */
export const longest = 180_000
