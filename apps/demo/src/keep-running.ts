import { pods, type V1Pod } from '@culvert/kubernetes'
import type { Cluster } from '@culvert/lab'
import type { Display } from './display.ts'
import { namespace } from './world.ts'

/** Prints how to use the cluster, and waits for Ctrl-C. */
export async function keepRunning(cluster: Cluster, display: Display, signal: AbortSignal): Promise<void> {
  display.status('')
  display.line('\nThe cluster keeps running until Ctrl-C. To try:')
  display.line(`  export KUBECONFIG=${cluster.kubeconfig.path}`)
  display.line('  kubectl get pods -A -o wide')
  display.line('  kubectl label namespace bookstore istio.io/dataplane-mode-')
  const { items } = await cluster.client.list(pods, { namespace: 'istio-system', labelSelector: 'app=ztunnel' })
  const productpage = await runningPod(cluster, 'productpage')
  for (const pod of items) {
    const forward = await cluster.pods.forward({ namespace: 'istio-system', name: pod.metadata!.name! }, 15000)
    display.line(`  curl -s http://127.0.0.1:${forward.port}/config_dump     # node proxy on ${pod.spec?.nodeName}`)
    if (pod.spec?.nodeName !== productpage?.spec?.nodeName) continue
    const question = `source=${productpage?.status?.podIP}&destination=details.${namespace}.svc.cluster.local&port=9080`
    display.line(`  curl -s 'http://127.0.0.1:${forward.port}/culvert/explain?${question}'`)
    display.line(`  curl -s 'http://127.0.0.1:${forward.port}/culvert/explain?recent'`)
  }
  const [istiod] = (await cluster.client.list(pods, { namespace: 'istio-system', labelSelector: 'app=istiod' })).items
  if (istiod !== undefined) {
    const forward = await cluster.pods.forward({ namespace: 'istio-system', name: istiod.metadata!.name! }, 15014)
    display.line(`  curl -s http://127.0.0.1:${forward.port}/metrics         # istiod-lite`)
  }
  if (signal.aborted) return
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function runningPod(cluster: Cluster, app: string): Promise<V1Pod | undefined> {
  const { items } = await cluster.client.list(pods, { namespace, labelSelector: `app=${app}` })
  return items.find(({ status }) => status?.podIP !== undefined)
}
