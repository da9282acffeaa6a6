import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { missingKernelModule } from '../machine/kernel-modules.ts'
import { systemPath } from '../machine/run-command.ts'
import { findCgroupRoot } from './cgroups.ts'

/** Programs that the lab starts, with the Debian package that holds each. */
const programs: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  pivot_root: 'util-linux',
  mount: 'mount',
  tcpdump: 'tcpdump',
  bash: 'bash'
}

/**
 * Why no cluster can run on this machine, or undefined when one can. Tests skip themselves with this as the reason.
 * Kernel modules that are missing are loaded, if they can be.
 */
export function labUnsupported(): string | undefined {
  if (process.platform !== 'linux') return `the lab needs Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return `the lab needs root to make namespaces, this is user ${process.getuid?.()}`
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!systemPath.split(':').some(directory => fs.existsSync(path.join(directory, program)))) {
      return `the lab needs the program ${program} (Debian package ${debianPackage})`
    }
  }
  if (!fs.existsSync('/usr/lib/cni/bridge') && !fs.existsSync('/opt/cni/bin/bridge')) {
    return 'the lab needs the base CNI plugins in /usr/lib/cni (Debian package containernetworking-plugins)'
  }
  const cgroup = findCgroupRoot()
  return 'reason' in cgroup ? cgroup.reason : (missingKernelModule() ?? refusedNamespaces())
}

/** root in a container may lack the right to make namespaces. */
function refusedNamespaces(): string | undefined {
  const flags = ['--mount', '--net', '--uts', '--ipc', '--pid', '--fork']
  const { status, stderr } = spawnSync('unshare', [...flags, 'true'], { env: { PATH: systemPath }, encoding: 'utf8' })
  return status === 0 ? undefined : `the lab needs to make namespaces, which is refused: ${stderr.trim()}`
}
