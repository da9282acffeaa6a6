import fs from 'node:fs'
import path from 'node:path'
import { cgroupProcesses, removeCgroup } from '../cluster/cgroups.ts'
import { signalProcess } from '../machine/process-facts.ts'

/** The cgroups of a node's pods, named as a kubelet with the cgroupfs driver names them. */
export interface PodCgroups {
  podGroup(uid: string): string
  makeContainerGroup(podGroup: string, containerId: string): string
  removeContainerGroup(podGroup: string, containerId: string): void
  /** Kills whatever is left in the pod's groups and removes them. */
  removePodGroup(podGroup: string): Promise<void>
}

/** `directory`: the node's group inside the cluster's. The lab sets no requests or limits, so every pod is best effort. */
export function createPodCgroups(directory: string): PodCgroups {
  const containerGroup = (podGroup: string, containerId: string): string => path.join(podGroup, containerId)
  return {
    podGroup: uid => path.join(directory, 'kubepods', 'besteffort', `pod${uid}`),
    makeContainerGroup: (podGroup, containerId) => {
      const group = containerGroup(podGroup, containerId)
      fs.mkdirSync(group, { recursive: true })
      return group
    },
    removeContainerGroup: (podGroup, containerId) => void removeCgroup(containerGroup(podGroup, containerId)),
    removePodGroup: async podGroup => {
      // The kernel takes a process out of its group when it is reaped, which may be a moment after its end.
      for (let attempt = 0; !removeCgroup(podGroup) && attempt < 200; attempt++) {
        for (const pid of cgroupProcesses(podGroup)) signalProcess(pid, 'SIGKILL')
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }
  }
}
