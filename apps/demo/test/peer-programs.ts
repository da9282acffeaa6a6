// Programs of Istio's. They come as paths of executables:
//   CULVERT_PEER_ZTUNNEL, CULVERT_PEER_ISTIOD (pilot-discovery), CULVERT_PEER_CNI (a directory with install-cni and istio-cni),
//   CULVERT_PEER_ISTIOCTL
import path from 'node:path'
import type { Image } from '@culvert/lab'
import { images } from '../src/mesh.ts'

export const peerZtunnelPath: string | undefined = process.env.CULVERT_PEER_ZTUNNEL
const peerIstiodPath = process.env.CULVERT_PEER_ISTIOD
const peerCniPath = process.env.CULVERT_PEER_CNI
export const istioctlPath: string | undefined = process.env.CULVERT_PEER_ISTIOCTL

export const ourZtunnel: Image = images['culvert/ztunnel']!

export const peerZtunnel = (): Image => ({ command: [peerZtunnelPath!] })

export const peerIstiod = (): Image => ({ command: [peerIstiodPath!] })

export const peerNodeAgent = (): Image => ({
  command: [path.join(peerCniPath!, 'install-cni')],
  files: { '/opt/cni/bin/istio-cni': path.join(peerCniPath!, 'istio-cni') }
})

/** One program on one node, another on the rest. */
export function onNode(node: string, there: Image, elsewhere: Image): Image {
  const choose = `if [ "$NODE_NAME" = ${node} ]; then exec ${there.command[0]} "$@"; else exec ${elsewhere.command[0]} "$@"; fi`
  return { ...there, ...elsewhere, command: ['/bin/sh', '-c', choose, 'ztunnel'] }
}

/** Whether there is no executable for one of these. */
export const lacking = (...programs: readonly PeerProgram[]): boolean =>
  programs.some(program => paths[program] === undefined)

/** The end of a test's title. */
export const needing = (...programs: readonly PeerProgram[]): string =>
  programs.map(program => ` (needs CULVERT_PEER_${program})`).join('')

export type PeerProgram = 'ZTUNNEL' | 'ISTIOD' | 'CNI'

const paths: Readonly<Record<PeerProgram, string | undefined>> = {
  ZTUNNEL: peerZtunnelPath,
  ISTIOD: peerIstiodPath,
  CNI: peerCniPath
}
