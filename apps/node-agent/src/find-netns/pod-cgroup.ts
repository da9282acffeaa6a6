/** Which pod and container a process belongs to, told from its `/proc/<pid>/cgroup` (docs/spec/cni.md 4.8, step 3). */
export interface PodCgroup {
  /** With dashes, whatever the path uses. */
  readonly podUid: string
  readonly containerId: string
}

const p = '[!-/:-@\\[-`{-~]'
const podPath = new RegExp(
  `${p}pod([0-9a-f]{8}${p}?[0-9a-f]{4}${p}?[0-9a-f]{4}${p}?[0-9a-f]{4}${p}?[0-9a-f]{12})${p}(?:.*${p})?([^!-/:-@\\[-\`{-~]+)$`,
  'i'
)
const podUidAnywhere = new RegExp(
  `pod[0-9a-f]{8}${p}?[0-9a-f]{4}${p}?[0-9a-f]{4}${p}?[0-9a-f]{4}${p}?[0-9a-f]{12}`,
  'i'
)
const crioPath = new RegExp(`crio${p}([^!-/:-@\\[-\`{-~]+)$`)

/** Undefined when no line names a pod, when lines disagree, or when a line is malformed. */
export function parsePodCgroup(text: string): PodCgroup | undefined {
  const containers = new Set<string>()
  const uids = new Set<string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, , ...rest] = line.split(':')
    if (rest.length === 0) return undefined
    const path = rest.join(':').replace(/\.scope$/, '')
    const pod = podPath.exec(path)
    const crio = podUidAnywhere.test(path) ? null : crioPath.exec(path)
    if (pod) uids.add(dashed(pod[1]!))
    const container = pod?.[2] ?? crio?.[1]
    if (container !== undefined) containers.add(container)
  }
  const [podUid] = uids
  const [containerId] = containers
  if (podUid === undefined || containerId === undefined || uids.size > 1 || containers.size > 1) return undefined
  return { podUid, containerId }
}

function dashed(uid: string): string {
  const hex = uid.replace(/[^0-9a-f]/gi, '').toLowerCase()
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
