import type { V1DaemonSet, V1Deployment, V1Job, V1ReplicaSet, V1StatefulSet } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import type { Strategy } from '../strategy.ts'
import { validateJob, validateWorkload } from '../validation/workload.ts'
import { fill } from './fill.ts'
import { defaultPodSpec } from './pod.ts'

/** A kind that makes pods from a template. */
function workload<T extends { spec?: object }>(
  defaults: (spec: NonNullable<T['spec']>) => void,
  status: object
): Strategy {
  return {
    defaults(object) {
      const spec = object.spec as { template?: { spec?: unknown; metadata?: object } } | undefined
      if (typeof spec !== 'object' || spec === null) return
      defaults(spec as NonNullable<T['spec']>)
      if (typeof spec.template !== 'object' || spec.template === null) return
      fill(spec.template, { metadata: {} })
      defaultPodSpec(spec.template.spec)
    },
    prepareCreate(object) {
      object.status = structuredClone(status)
    },
    validate: (object, old) => validateWorkload(object, old)
  }
}

export const deploymentStrategy: Strategy = workload<V1Deployment>(spec => {
  fill(spec, { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
  const strategy = spec.strategy!
  fill(strategy, { type: 'RollingUpdate' })
  if (strategy.type === 'RollingUpdate') {
    fill(strategy, { rollingUpdate: {} })
    fill(strategy.rollingUpdate!, { maxUnavailable: '25%', maxSurge: '25%' })
  }
}, {})

export const replicaSetStrategy: Strategy = workload<V1ReplicaSet>(spec => fill(spec, { replicas: 1 }), { replicas: 0 })

export const daemonSetStrategy: Strategy = workload<V1DaemonSet>(
  spec => {
    fill(spec, { updateStrategy: {}, revisionHistoryLimit: 10 })
    const strategy = spec.updateStrategy!
    fill(strategy, { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} })
      fill(strategy.rollingUpdate!, { maxUnavailable: 1, maxSurge: 0 })
    }
  },
  { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
)

export const statefulSetStrategy: Strategy = workload<V1StatefulSet>(
  spec => {
    fill(spec, { replicas: 1, podManagementPolicy: 'OrderedReady', revisionHistoryLimit: 10, updateStrategy: {} })
    fill(spec.updateStrategy!, { type: 'RollingUpdate' })
    fill(spec, {
      serviceName: '',
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' }
    })
  },
  { replicas: 0, availableReplicas: 0 }
)

const storedJob = workload<V1Job>(
  spec => fill(spec, { completions: 1, parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed', suspend: false }),
  {}
)

export const jobStrategy: Strategy = {
  ...storedJob,
  // The template is defaulted as for others, but its restartPolicy is the user's to say.
  defaults(job, context) {
    const template = (job.spec as { template?: { spec?: { restartPolicy?: string } } } | undefined)?.template
    const asked = template?.spec?.restartPolicy
    storedJob.defaults?.(job, context)
    if (template?.spec !== undefined && asked === undefined) delete template.spec.restartPolicy
  },
  prepareCreate(job: KubeObject) {
    job.status = {}
    const spec = job.spec as V1Job['spec'] | undefined
    if (spec === undefined || spec.manualSelector === true || typeof spec.template !== 'object') return
    const label = 'batch.kubernetes.io/controller-uid'
    fill(spec, { selector: { matchLabels: { [label]: job.metadata.uid } } })
    fill(spec.template, { metadata: {} })
    const { metadata } = spec.template
    metadata!.labels = {
      ...metadata!.labels,
      [label]: job.metadata.uid,
      'batch.kubernetes.io/job-name': job.metadata.name
    }
  },
  validate: validateJob
}
