import fs from 'node:fs'
import { IptablesError } from './errors.ts'

/**
 * The user the kubelet runs as, from the host's /proc (docs/spec/capture.md 6.2): the first process, in listing order,
 * named `kubelet` or `kubelite` with an argument that says kubelet, or named `k3s`, which holds a kubelet.
 */
export function findKubeletUid(procRoot: string): number {
  for (const pid of fs.readdirSync(procRoot)) {
    if (!/^[0-9]+$/.test(pid)) continue
    const uid = kubeletUid(`${procRoot}/${pid}`)
    if (uid !== undefined) return uid
  }
  throw new IptablesError(
    'IPTABLES_NO_KUBELET',
    `no kubelet process in ${procRoot}: the nftables host rule needs its user id`
  )
}

function kubeletUid(process: string): number | undefined {
  try {
    const name = fs.readFileSync(`${process}/comm`, 'utf8').trim()
    if (name !== 'k3s') {
      if (name !== 'kubelet' && name !== 'kubelite') return undefined
      const args = fs.readFileSync(`${process}/cmdline`, 'utf8').split('\0')
      if (!args.some(arg => arg.toLowerCase().includes('kubelet'))) return undefined
    }
    const uid = /^Uid:\s+([0-9]+)/m.exec(fs.readFileSync(`${process}/status`, 'utf8'))?.[1]
    return uid === undefined ? undefined : Number(uid)
  } catch {
    // Ended meanwhile, or not ours to read: not this one.
    return undefined
  }
}
