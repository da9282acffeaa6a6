import type { V1Container, V1Pod } from '@culvert/kubernetes'
import { expect, it } from 'vitest'
import { processRights } from './process-rights.ts'

type Context = NonNullable<V1Container['securityContext']>
const rights = (own: Context, shared: NonNullable<NonNullable<V1Pod['spec']>['securityContext']> = {}): string[] =>
  processRights({ spec: { containers: [], securityContext: shared } }, { name: 'main', securityContext: own })

it.each([
  { name: 'privileged', context: { privileged: true }, words: [] },
  { name: 'all capabilities', context: { capabilities: { add: ['ALL'] } }, words: [] },
  {
    name: 'only those added',
    context: { capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'CAP_SYS_ADMIN'] } },
    words: ['setpriv', '--bounding-set=-all,+net_admin,+sys_admin', '--']
  },
  {
    name: 'another user without a way up',
    context: { privileged: true, runAsUser: 1000, runAsGroup: 1337, allowPrivilegeEscalation: false },
    words: ['setpriv', '--reuid=1000', '--regid=1337', '--clear-groups', '--no-new-privs', '--']
  }
])('$name', ({ context, words }) => {
  expect(rights(context)).toEqual(words)
})

it('leaves the usual capabilities to a container that asks for nothing', () => {
  const [, bounding = ''] = rights({})
  expect(bounding).toContain('+net_bind_service')
  expect(bounding).not.toContain('sys_admin')
})

it('takes groups from the pod', () => {
  expect(rights({ privileged: true }, { supplementalGroups: [7], fsGroup: 8 })).toEqual([
    'setpriv',
    '--groups=7,8',
    '--'
  ])
})
