import fs from 'node:fs'
import path from 'node:path'
import type { V1Volume } from '@culvert/kubernetes'
import { LabError } from '../errors.ts'
import type { LabNode } from '../node/node.ts'

type HostPath = NonNullable<V1Volume['hostPath']>

/** Checks or makes what a hostPath volume's type asks for, in the node. */
export function prepareHostPath(node: LabNode, volume: HostPath): string {
  const file = node.path(volume.path)
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  const require = (holds: boolean | undefined, what: string): void => {
    if (!holds) throw new LabError('LAB_VOLUME', `hostPath type check failed: ${volume.path} is not ${what}`)
  }
  switch (volume.type ?? '') {
    case '':
      // Container runtimes make a missing source a directory.
      if (stat === undefined) fs.mkdirSync(file, { recursive: true })
      break
    case 'DirectoryOrCreate':
      if (stat === undefined) fs.mkdirSync(file, { recursive: true, mode: 0o755 })
      else require(stat.isDirectory(), 'a directory')
      break
    case 'Directory':
      require(stat?.isDirectory(), 'a directory')
      break
    case 'FileOrCreate':
      if (stat === undefined) {
        fs.mkdirSync(path.dirname(file), { recursive: true })
        fs.writeFileSync(file, '')
      } else require(stat.isFile(), 'a file')
      break
    case 'File':
      require(stat?.isFile(), 'a file')
      break
    case 'Socket':
      require(stat?.isSocket(), 'a socket file')
      break
    case 'CharDevice':
      require(stat?.isCharacterDevice(), 'a character device')
      break
    case 'BlockDevice':
      require(stat?.isBlockDevice(), 'a block device')
      break
    default:
      throw new LabError('LAB_VOLUME', `hostPath type '${volume.type}' is unknown`)
  }
  return volume.path
}
