import type { V1PodTemplateSpec } from '@kubernetes/client-node'
import { equal, isFields, type KubeObject } from '../objects.ts'
import { fromLabelSelector, type LabelSelector, matchesLabels } from '../selectors/label-selector.ts'
import { type FieldError, StatusError } from '../status.ts'
import { invalidValue, notSupported, required } from './field-errors.ts'
import { validatePodSpec } from './pod.ts'

interface WorkloadSpec {
  replicas?: number
  selector?: LabelSelector
  template?: V1PodTemplateSpec
}

/** Deployments, ReplicaSets, DaemonSets and StatefulSets: a selector that fits the pods the template makes. */
export function validateWorkload({ spec }: KubeObject, old: KubeObject | undefined): FieldError[] {
  if (!isFields(spec)) return [required('spec', '')]
  const { replicas, selector, template } = spec as WorkloadSpec
  const errors: FieldError[] = []
  if (replicas !== undefined && replicas < 0) {
    errors.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'))
  }
  if (selector === undefined) errors.push(required('spec.selector', ''))
  else errors.push(...validateSelector(selector, template?.metadata?.labels))
  errors.push(...validatePodSpec(template?.spec, 'spec.template.spec'))
  if (template?.spec !== undefined && template.spec.restartPolicy !== 'Always') {
    errors.push(notSupported('spec.template.spec.restartPolicy', template.spec.restartPolicy, ['Always']))
  }
  const before = (old?.spec as WorkloadSpec | undefined)?.selector
  if (before !== undefined && !equal(before, selector)) {
    errors.push(invalidValue('spec.selector', selector ?? '', 'field is immutable'))
  }
  return errors
}

function validateSelector(selector: LabelSelector, labels: Record<string, string> | undefined): FieldError[] {
  try {
    const requirements = fromLabelSelector(selector)
    if (requirements.length === 0)
      return [invalidValue('spec.selector', selector, 'empty selector is invalid for deployment')]
    if (matchesLabels(requirements, labels)) return []
    return [invalidValue('spec.template.metadata.labels', labels ?? {}, '`selector` does not match template `labels`')]
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    return [invalidValue('spec.selector', selector, error.message)]
  }
}

export function validateJob({ spec }: KubeObject): FieldError[] {
  if (!isFields(spec)) return [required('spec', '')]
  const { template } = spec as WorkloadSpec
  const policy = template?.spec?.restartPolicy ?? ''
  const allowed = ['OnFailure', 'Never']
  const errors = validatePodSpec(
    template?.spec === undefined ? undefined : { ...template.spec, restartPolicy: 'Never' },
    'spec.template.spec'
  )
  if (!allowed.includes(policy)) errors.push(notSupported('spec.template.spec.restartPolicy', policy, allowed))
  return errors
}
