import fs from 'node:fs'
import path from 'node:path'
import type { V1Container, V1Pod, V1Volume } from '@culvert/kubernetes'
import { LabError, reasonOf } from '../errors.ts'
import type { LabNode } from '../node/node.ts'
import { prepareHostPath } from './host-path.ts'
import { writePayload } from './payload-directory.ts'
import { type PayloadInput, volumePayload } from './volume-payload.ts'

/** One bind mount in a container. */
export interface VolumeMount {
  /** The node's path. */
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
  /** Whether mounts made later below the source appear in the container. */
  readonly hostToContainer: boolean
  readonly isFile: boolean
}

export interface PodVolumes {
  mounts(container: V1Container): VolumeMount[]
  /** Brings files made from API objects up to date. */
  refresh(pod: V1Pod): Promise<void>
  close(): void
}

/** Makes a pod's volumes ready in the node; throws what a kubelet would report as FailedMount. */
export async function preparePodVolumes(node: LabNode, input: PayloadInput): Promise<PodVolumes> {
  const { uid } = input.pod.metadata!
  const directory = `/var/lib/kubelet/pods/${uid}`
  const paths = new Map<string, string>()
  const volumes = input.pod.spec!.volumes ?? []
  for (const volume of volumes) {
    try {
      paths.set(volume.name, await prepare(node, `${directory}/volumes`, volume, input))
    } catch (error) {
      throw new LabError('LAB_VOLUME', `MountVolume.SetUp failed for volume "${volume.name}" : ${reasonOf(error)}`, {
        cause: error
      })
    }
  }
  return {
    mounts: container =>
      (container.volumeMounts ?? []).map(mount => {
        const base = paths.get(mount.name)
        if (base === undefined) {
          throw new LabError(
            'LAB_VOLUME',
            `container ${container.name} mounts volume "${mount.name}", which the pod lacks`
          )
        }
        if (mount.mountPropagation === 'Bidirectional') {
          throw new LabError('LAB_VOLUME', `mountPropagation Bidirectional of volume "${mount.name}" is not supported`)
        }
        const source = mount.subPath ? subPath(node, base, mount.subPath) : base
        return {
          source,
          target: mount.mountPath,
          readOnly: mount.readOnly ?? false,
          hostToContainer: mount.mountPropagation === 'HostToContainer',
          isFile: !fs.statSync(node.path(source)).isDirectory()
        }
      }),
    refresh: async pod => {
      for (const volume of volumes) {
        const payload = await volumePayload(volume, { ...input, pod })
        if (payload !== undefined) writePayload(node.path(paths.get(volume.name)!), payload)
      }
    },
    close: () => fs.rmSync(node.path(directory), { recursive: true, force: true })
  }
}

async function prepare(node: LabNode, directory: string, volume: V1Volume, input: PayloadInput): Promise<string> {
  if (volume.hostPath) return prepareHostPath(node, volume.hostPath)
  const payload = await volumePayload(volume, input)
  if (payload === undefined && !volume.emptyDir) {
    const kind = Object.keys(volume).find(key => key !== 'name') ?? 'none'
    throw new LabError('LAB_VOLUME', `volume type ${kind} is not supported by the lab`)
  }
  const target = path.join(
    directory,
    payload === undefined ? 'kubernetes.io~empty-dir' : 'kubernetes.io~projected',
    volume.name
  )
  fs.mkdirSync(node.path(target), { recursive: true })
  if (payload === undefined) fs.chmodSync(node.path(target), 0o777)
  else writePayload(node.path(target), payload)
  return target
}

function subPath(node: LabNode, base: string, sub: string): string {
  const full = path.normalize(path.join(base, sub))
  if (!full.startsWith(`${base}/`)) throw new LabError('LAB_VOLUME', `subPath '${sub}' leaves its volume`)
  if (!fs.existsSync(node.path(full))) fs.mkdirSync(node.path(full), { recursive: true })
  return full
}
