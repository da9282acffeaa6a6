import { machineMountLines } from '../machine/machine-mounts.ts'
import { shellQuote } from '../machine/shell-quote.ts'

export interface NodeRootOptions {
  readonly hostname: string
  /** An empty directory of the machine to mount over; what is mounted there exists in the node only. */
  readonly base: string
  /** Mounts of the machine to repeat in the node. */
  readonly mounts: readonly string[]
}

/** Where a node sees the machine's own file system, the lower layer of every container. */
export const machineRoot = '/.machine'

/** Working space of the lab in a node: on a tmpfs, since an overlay cannot be the upper layer of another. */
export const labDirectory = '/run/culvert'

/**
 * Gives a node its own root: the machine's files with a layer over them that only the node sees. The fixed paths of
 * the specifications (/etc/cni/net.d, /opt/cni/bin, /var/run/netns …) are then ordinary directories, private to the
 * node, and nothing is mounted in or written to the machine. Runs in the node's new namespaces.
 */
export function nodeRootScript(options: NodeRootOptions): string {
  const root = `${options.base}/root`
  const q = shellQuote
  return [
    `echo ${q(options.hostname)} > /proc/sys/kernel/hostname`,
    `mount -t tmpfs -o mode=0755 culvert-node ${q(options.base)}`,
    `mkdir ${q(`${options.base}/upper`)} ${q(`${options.base}/work`)} ${q(root)}`,
    `mount -t overlay culvert-node -o lowerdir=/,upperdir=${q(options.base)}/upper,workdir=${q(options.base)}/work ${q(root)}`,
    ...machineMountLines({ mounts: options.mounts, from: '', root, layers: options.base }),
    `mount -t proc proc ${q(root)}/proc`,
    `mount -t sysfs sysfs ${q(root)}/sys`,
    `mount --rbind /sys/fs/cgroup ${q(root)}/sys/fs/cgroup`,
    `mount --rbind /dev ${q(root)}/dev`,
    `mount -t tmpfs -o mode=0755 culvert-run ${q(root)}/run`,
    `mkdir -p ${q(root + machineRoot)}`,
    `cd ${q(root)}`,
    `pivot_root . .${machineRoot}`,
    'cd /',
    // Containers receive later mounts, such as pods' namespace files, as slaves of the node.
    'mount --make-rshared /',
    // Relative, so that it also leads to the node's /run when looked at through /proc/<pid>/root.
    'rm -rf /var/run && ln -s ../run /var/run',
    'rm -rf /etc/cni /var/lib/cni /var/lib/kubelet',
    `mkdir -p /run/netns /run/lock ${labDirectory}/containers /etc/cni/net.d /opt/cni/bin /var/lib/kubelet/pods`,
    'rm -f /etc/resolv.conf'
  ].join('\n')
}
