import { expect, it } from 'vitest'
import { visibleMounts } from './visible-mounts.ts'

const line = (point: string, type = 'ext4'): string => `40 27 0:30 / ${point} rw,relatime shared:1 - ${type} /dev/x rw`

it.each([
  {
    name: 'keeps separate file systems',
    points: [line('/'), line('/home'), line('/srv/data')],
    visible: ['/home', '/srv/data']
  },
  {
    name: 'leaves nested mounts to the one above',
    points: [line('/home'), line('/home/me/x'), line('/homes')],
    visible: ['/home', '/homes']
  },
  {
    name: 'hides what the container gets itself',
    points: ['/proc', '/sys/fs/cgroup', '/dev/pts', '/run/user/0', '/boot'].map(point => line(point)),
    visible: []
  },
  { name: 'does not wake automounts', points: [line('/net', 'autofs')], visible: [] },
  { name: 'reads escapes', points: [line('/mnt/a\\040b')], visible: ['/mnt/a b'] },
  { name: 'takes a path once', points: [line('/data'), line('/data')], visible: ['/data'] }
])('$name', ({ points, visible }) => {
  expect(visibleMounts(`${points.join('\n')}\n`)).toEqual(visible)
})
