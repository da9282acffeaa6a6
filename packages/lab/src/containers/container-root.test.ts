import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { type ContainerRootOptions, containerRootScript, enterContainerScript } from './container-root.ts'

const options: ContainerRootOptions = {
  containerId: 'c1',
  hostname: 'till-0',
  cgroup: '/sys/fs/cgroup/lab/podu1/c1',
  machineMounts: ['/home', '/tmp'],
  volumes: [
    { source: '/etc/one file', target: '/config/file', readOnly: true, hostToContainer: false, isFile: true },
    { source: '/run/netns', target: '/host/run/netns', readOnly: false, hostToContainer: true, isFile: false }
  ],
  readOnlyRoot: false,
  workingDirectory: "/srv/it's here"
}

it.each([containerRootScript(options), enterContainerScript(options)])(
  'is a script that a shell can parse (%#)',
  script => {
    execFileSync('sh', ['-n'], { input: script })
  }
)

it('joins the cgroup before anything else', () => {
  expect(enterContainerScript(options).split('\n')[1]).toBe('echo 0 > /sys/fs/cgroup/lab/podu1/c1/cgroup.procs')
})

it("shares the machine's directories, except that temporary files stay in the container", () => {
  const script = containerRootScript(options)
  const root = '/run/culvert/containers/c1/root'
  expect(script).toContain(`mount --rbind /.machine/home ${root}/home\n`)
  expect(script).not.toContain('--rbind /.machine/tmp')
  expect(script).toContain(`lowerdir=/.machine/tmp,upperdir=/run/culvert/containers/c1/upper-1`)
})

it('keeps volumes apart from the node unless they ask for its later mounts', () => {
  const lines = containerRootScript(options).split('\n')
  const made = lines.filter(line => line.includes('.volumes/'))
  expect(made.filter(line => line.includes('--make-rprivate'))).toEqual([expect.stringMatching(/\.volumes\/0$/)])
  expect(made.filter(line => line.includes('remount,bind,ro'))).toEqual([expect.stringMatching(/\.volumes\/0$/)])
})

it('moves volumes to their targets only in the new root, and tells that it stands last', () => {
  const lines = containerRootScript(options).split('\n')
  const pivot = lines.indexOf('pivot_root . .node')
  expect(lines.indexOf('mount --move /.volumes/0 /config/file')).toBeGreaterThan(pivot)
  expect(lines.slice(-3)).toEqual(['printf r >&3', 'exec 3>&-', 'exec "$@"'])
})
