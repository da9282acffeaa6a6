import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { systemPath } from './run-command.ts'

const bridgeSettings = '/proc/sys/net/bridge'

interface KernelModule {
  readonly name: string
  readonly purpose: string
  readonly isPresent: () => boolean
  readonly afterLoading?: () => void
}

const modules: readonly KernelModule[] = [
  {
    name: 'overlay',
    purpose: 'the overlay file system',
    isPresent: () => fs.readFileSync('/proc/filesystems', 'utf8').split('\n').includes('nodev\toverlay')
  },
  {
    name: 'br_netfilter',
    purpose: 'netfilter on bridges',
    isPresent: () => fs.existsSync(bridgeSettings),
    afterLoading: () => {
      // Loading it sends what passes the machine's own bridges through its firewall. Whoever had not loaded it did
      // without that; the nodes set it in their own namespaces.
      for (const protocol of ['ip', 'ip6', 'arp'])
        fs.writeFileSync(`${bridgeSettings}/bridge-nf-call-${protocol}tables`, '0')
    }
  }
]

/** Loads the kernel modules that the lab needs; why one of them is missing, or undefined when all are there. */
export function missingKernelModule(): string | undefined {
  for (const { name, purpose, isPresent, afterLoading } of modules) {
    if (isPresent()) continue
    const { status, stderr, error } = spawnSync('modprobe', [name], { env: { PATH: systemPath }, encoding: 'utf8' })
    if (status !== 0 || !isPresent()) {
      const reason = error?.message ?? stderr.trim()
      return `the lab needs ${purpose}, and the kernel module ${name} cannot be loaded${reason && `: ${reason}`}`
    }
    afterLoading?.()
  }
  return undefined
}
