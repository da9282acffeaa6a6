import { machineMountLines } from '../machine/machine-mounts.ts'
import { shellQuote } from '../machine/shell-quote.ts'
import { labDirectory, machineRoot } from '../node/node-root.ts'
import type { VolumeMount } from '../volumes/pod-volumes.ts'

export interface ContainerRootOptions {
  readonly containerId: string
  readonly hostname: string
  /** The node's path of the container's cgroup. */
  readonly cgroup: string
  readonly machineMounts: readonly string[]
  readonly volumes: readonly VolumeMount[]
  readonly readOnlyRoot: boolean
  readonly workingDirectory: string
}

/** The node's path of a container's writable layer, where its files are placed before it starts. */
export const upperLayer = (containerId: string): string => `${labDirectory}/containers/${containerId}/upper`

export const containerDirectory = (containerId: string): string => `${labDirectory}/containers/${containerId}`

/**
 * Run in the node's namespaces and the pod's network namespace; "$@" is what to execute in the container. The cgroup
 * is entered first, so that no process is ever in the pod's network without being in its group.
 */
export function enterContainerScript(options: ContainerRootOptions): string {
  return [
    'set -eu',
    `echo 0 > ${shellQuote(options.cgroup)}/cgroup.procs`,
    'exec unshare --pid --fork --kill-child --mount --uts --ipc --propagation slave -- ' +
      `/bin/sh -c ${shellQuote(containerRootScript(options))} sh "$@"`
  ].join('\n')
}

/**
 * Builds the container's root in its new mount namespace: the machine's files with a layer over them, fresh /proc,
 * /sys and /run, and the volumes. These are first bound while the node's tree is in place, since their sources are
 * the node's paths, and moved to their targets when the container's own tree is, since symbolic links on the way to a
 * target are the container's.
 */
export function containerRootScript(options: ContainerRootOptions): string {
  const directory = containerDirectory(options.containerId)
  const root = `${directory}/root`
  const q = shellQuote
  const stage = (index: number): string => `/.volumes/${index}`
  const staged = options.volumes.map((volume, index) => ({ ...volume, stage: stage(index) }))
  return [
    'set -eu',
    `echo ${q(options.hostname)} > /proc/sys/kernel/hostname`,
    `mount -t overlay culvert -o lowerdir=${machineRoot},upperdir=${directory}/upper,workdir=${directory}/work ${root}`,
    ...machineMountLines({ mounts: options.machineMounts, from: machineRoot, root, layers: directory }),
    `mount -t proc proc ${root}/proc`,
    `mount -t sysfs sysfs ${root}/sys`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t tmpfs -o mode=0755 run ${root}/run`,
    `mkdir -p ${root}/.node ${root}/run/lock ${staged
      .filter(({ isFile }) => !isFile)
      .map(volume => root + volume.stage)
      .join(' ')}`,
    ...staged.flatMap(volume => [
      ...(volume.isFile ? [`mkdir -p ${root}/.volumes`, `touch ${root}${volume.stage}`] : []),
      `mount --rbind ${q(volume.source)} ${root}${volume.stage}`,
      ...(volume.hostToContainer ? [] : [`mount --make-rprivate ${root}${volume.stage}`]),
      ...(volume.readOnly ? [`mount -o remount,bind,ro ${root}${volume.stage}`] : [])
    ]),
    `cd ${root}`,
    'pivot_root . .node',
    'cd /',
    // One after the other: a place may lie in a volume that was mounted just before.
    ...staged.flatMap(volume => [
      `mkdir -p ${q(volume.isFile ? parentOf(volume.target) : volume.target)}`,
      ...(volume.isFile ? [`[ -e ${q(volume.target)} ] || touch ${q(volume.target)}`] : []),
      `mount --move ${volume.stage} ${q(volume.target)}`
    ]),
    'umount -l /.node',
    `mkdir -p ${q(options.workingDirectory)}`,
    ...(options.readOnlyRoot ? ['mount -o remount,bind,ro /'] : []),
    // Whoever started this waits for the byte: from here on failures are the program's own.
    'printf r >&3',
    'exec 3>&-',
    'exec "$@"'
  ].join('\n')
}

const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')))
