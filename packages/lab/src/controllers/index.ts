/**
 * The controllers of a small Kubernetes, as clients of its API: scheduler, Deployments, ReplicaSets, DaemonSets,
 * EndpointSlices, what every namespace has, and pods of nodes that are gone.
 *
 *     await startControllers({ client: createKubernetesClient(access), signal })
 *
 * Deleting what a deleted owner or namespace leaves behind is done by the lab's API server itself.
 */
import type { KubernetesClient } from '@culvert/kubernetes'
import type { Controller, ControllerOptions } from './controller.ts'
import { createDaemonSetController } from './daemon-set-controller.ts'
import { createDeploymentController } from './deployment-controller.ts'
import { createEndpointSliceController } from './endpoint-slice-controller.ts'
import { createInformers } from './informers.ts'
import { createRootCertificateController, createServiceAccountController } from './namespace-controllers.ts'
import { createPodGarbageController } from './pod-garbage-controller.ts'
import { createReplicaSetController } from './replica-set-controller.ts'
import { createScheduler } from './scheduler.ts'

const factories: readonly ((options: ControllerOptions) => Controller)[] = [
  createServiceAccountController,
  createRootCertificateController,
  createScheduler,
  createDeploymentController,
  createReplicaSetController,
  createDaemonSetController,
  createEndpointSliceController,
  createPodGarbageController
]

/** Starts all of them on shared informers; resolves once they know the cluster. They stop when the signal aborts. */
export async function startControllers(o: {
  client: KubernetesClient
  signal: AbortSignal
  onError?: (error: unknown) => void
}): Promise<void> {
  const { client, signal, onError } = o
  const informers = createInformers(client)
  const controllers = factories.map(create =>
    create({ client, informers, ...(onError === undefined ? {} : { onError }) })
  )
  await Promise.all(controllers.map(controller => controller.start({ signal })))
}
