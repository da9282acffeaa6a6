import { shellQuote } from './shell-quote.ts'

/** Where programs leave temporary files; what a node or container leaves there must not stay on the machine. */
const temporary = ['/tmp', '/var/tmp']

export interface MachineMountOptions {
  /** Mount points of the machine, as `visibleMounts` gives them. */
  readonly mounts: readonly string[]
  /** Where the machine's root is seen: `''` or a directory. */
  readonly from: string
  /** The root being built. */
  readonly root: string
  /** A directory on a tmpfs for the writable layers. */
  readonly layers: string
}

/** Shell lines that repeat the machine's mounts in a new root, over which an overlay of `/` alone would be blind. */
export function machineMountLines({ mounts, from, root, layers }: MachineMountOptions): string[] {
  const q = shellQuote
  return mounts.flatMap((path, index) => {
    if (!temporary.includes(path)) return [`mount --rbind ${q(from + path)} ${q(root + path)}`]
    const [upper, work] = [`${layers}/upper-${index}`, `${layers}/work-${index}`]
    return [
      `mkdir -m 1777 ${q(upper)} ${q(work)}`,
      `mount -t overlay culvert -o ${q(`lowerdir=${from + path},upperdir=${upper},workdir=${work}`)} ${q(root + path)}`
    ]
  })
}
