import type { Image } from '@culvert/lab'

export type ContenderName = 'ours' | 'peer' | 'direct'

/** What is measured: a node proxy, or none at all. */
export interface Contender {
  readonly name: ContenderName
  /** Stands behind the manifests' image of the node proxy; undefined for ours, and for none. */
  readonly image: Image | undefined
}

export const titles: Record<ContenderName, string> = { ours: 'ours', peer: 'peer', direct: 'no mesh' }

export function contendersOf({ peer, direct }: { peer: string | undefined; direct: boolean }): Contender[] {
  return [
    { name: 'ours', image: undefined },
    // A volume of the pod may hide the path: bring the file along.
    ...(peer === undefined ? [] : [{ name: 'peer' as const, image: { command: [peer], files: { [peer]: peer } } }]),
    ...(direct ? [{ name: 'direct' as const, image: undefined }] : [])
  ]
}
