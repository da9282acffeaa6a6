import fs from 'node:fs'
import { LabError } from '../errors.ts'
import { machineRoot } from '../node/node-root.ts'
import type { VolumeMount } from '../volumes/pod-volumes.ts'
import type { Image } from './image-catalogue.ts'

/** What an image brings besides the machine's own files, as mounts of a container. */
export function imageMounts(image: Image): VolumeMount[] {
  const files = Object.entries(image.files ?? {}).map(([target, source]) => {
    const stat = fs.statSync(source, { throwIfNoEntry: false })
    if (stat === undefined) throw new LabError('LAB_IMAGE', `the image's file ${source} does not exist`)
    return { ...machineMount(source, target), readOnly: true, isFile: !stat.isDirectory() }
  })
  const caches = (image.caches ?? []).map(directory => {
    fs.mkdirSync(directory, { recursive: true })
    return machineMount(directory, directory)
  })
  return [...files, ...caches]
}

const machineMount = (source: string, target: string): VolumeMount => ({
  source: machineRoot + source,
  target,
  readOnly: false,
  hostToContainer: false,
  isFile: false
})
