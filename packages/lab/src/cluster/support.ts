import fs from 'node:fs'
import path from 'node:path'
import { findCgroupRoot } from './cgroups.ts'

/** Programs that the lab starts, with the Debian package that holds each. */
const programs: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  tcpdump: 'tcpdump',
  bash: 'bash'
}

const searchPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Why no cluster can run on this machine, or undefined when one can. Tests skip themselves with this as the reason. */
export function labUnsupported(): string | undefined {
  if (process.platform !== 'linux') return `the lab needs Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return `the lab needs root to make namespaces, this is user ${process.getuid?.()}`
  if (!fs.readFileSync('/proc/filesystems', 'utf8').split('\n').includes('nodev\toverlay')) {
    return 'the lab needs the overlay file system (modprobe overlay)'
  }
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!searchPath.some(directory => fs.existsSync(path.join(directory, program)))) {
      return `the lab needs the program ${program} (Debian package ${debianPackage})`
    }
  }
  if (!fs.existsSync('/usr/lib/cni/bridge') && !fs.existsSync('/opt/cni/bin/bridge')) {
    return 'the lab needs the base CNI plugins in /usr/lib/cni (Debian package containernetworking-plugins)'
  }
  const cgroup = findCgroupRoot()
  return 'reason' in cgroup ? cgroup.reason : undefined
}
