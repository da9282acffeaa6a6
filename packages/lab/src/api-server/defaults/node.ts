import type { V1Node } from '@kubernetes/client-node'
import type { Strategy } from '../strategy.ts'
import { invalidValue } from '../validation/field-errors.ts'
import { fill, textQuantities } from './fill.ts'

export const nodeStrategy: Strategy = {
  defaults(object) {
    const node = object as unknown as V1Node
    fill(node, { spec: {}, status: {} })
    textQuantities(node.status?.capacity)
    textQuantities(node.status?.allocatable)
    if (node.status?.capacity !== undefined) fill(node.status, { allocatable: { ...node.status.capacity } })
    if (node.spec?.podCIDR !== undefined) fill(node.spec, { podCIDRs: [node.spec.podCIDR] })
  },
  validate(object, old) {
    const before = (old as unknown as V1Node | undefined)?.spec?.podCIDR
    const now = (object as unknown as V1Node).spec?.podCIDR
    if (before === undefined || before === now) return []
    return [invalidValue('spec.podCIDRs', now ?? '', 'node updates may not change podCIDR except from "" to valid')]
  }
}
