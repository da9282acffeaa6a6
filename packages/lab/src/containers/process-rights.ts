import type { V1Container, V1Pod } from '@culvert/kubernetes'

/** What container runtimes leave a process that asks for nothing. */
const defaultCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE'
]

/** The setpriv command line in front of a container's program that applies its security context. */
export function processRights(pod: V1Pod, container: V1Container): string[] {
  const own = container.securityContext ?? {}
  const shared = pod.spec?.securityContext ?? {}
  const flags: string[] = []
  const user = own.runAsUser ?? shared.runAsUser
  const group = own.runAsGroup ?? shared.runAsGroup
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])]
  if (user !== undefined) flags.push(`--reuid=${user}`)
  if (group !== undefined) flags.push(`--regid=${group}`)
  if (groups.length > 0) flags.push(`--groups=${groups.join(',')}`)
  else if (user !== undefined || group !== undefined) flags.push('--clear-groups')
  if (own.allowPrivilegeEscalation === false) flags.push('--no-new-privs')
  if (!own.privileged) {
    const kept = boundingSet(own.capabilities?.add ?? [], own.capabilities?.drop ?? [])
    if (kept !== 'all')
      flags.push(`--bounding-set=${['-all', ...kept.map(name => `+${name.toLowerCase()}`)].join(',')}`)
  }
  return flags.length === 0 ? [] : ['setpriv', ...flags, '--']
}

function boundingSet(add: readonly string[], drop: readonly string[]): readonly string[] | 'all' {
  const plain = (name: string): string => name.toUpperCase().replace(/^CAP_/, '')
  const added = add.map(plain)
  const dropped = drop.map(plain)
  if (added.includes('ALL')) return 'all'
  const base = dropped.includes('ALL') ? [] : defaultCapabilities.filter(name => !dropped.includes(name))
  return [...new Set([...base, ...added])]
}
