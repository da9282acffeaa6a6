import { describe, expect, it } from 'vitest'
import { parsePodCgroup } from './pod-cgroup.ts'

const uid = '4d0f1d5e-6f3a-4d2b-9a61-0c8f6f7f0a11'
const underscored = uid.replaceAll('-', '_')
const id = 'f00dfeed0123'

describe('the pod of a cgroup', () => {
  it.each([
    [
      'cgroupfs, version 1',
      `9:name=systemd:/kubepods/besteffort/pod${uid}/${id}\n8:pids:/kubepods/besteffort/pod${uid}/${id}\n`
    ],
    [
      'systemd, version 2',
      `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${underscored}.slice/cri-containerd-${id}.scope\n`
    ],
    ['a group of its own below', `0::/lab/kubepods/burstable/pod${uid}/${id}\n1:cpu:/\n`],
    ['no dashes at all', `0::/kubepods/pod${uid.replaceAll('-', '')}/${id}`],
    ['a prefix with colons', `0::/a:b/kubepods/pod${uid}/${id}`]
  ])('%s', (_, text) => {
    expect(parsePodCgroup(text)).toEqual({ podUid: uid, containerId: id })
  })

  it.each([
    ['no pod', '0::/user.slice/session-1.scope\n'],
    ['no container', `0::/kubepods/besteffort/pod${uid}\n`],
    ['two pods', `1:cpu:/kubepods/pod${uid}/${id}\n2:pids:/kubepods/pod${uid.replace('4', '5')}/${id}\n`],
    ['two containers', `1:cpu:/kubepods/pod${uid}/${id}\n2:pids:/kubepods/pod${uid}/other\n`],
    ['CRI-O without a pod', `0::/system.slice/crio-${id}.scope\n`],
    ['a malformed line', `0::/kubepods/pod${uid}/${id}\n1\n`],
    ['nothing', '']
  ])('%s is none', (_, text) => {
    expect(parsePodCgroup(text)).toBeUndefined()
  })
})
