import { LabError } from '../errors.ts'

/** What an image name stands for: a command of the machine. */
export interface Image {
  /** The entry point; a pod's `command` replaces it. The first item is a path or is looked up in PATH. */
  readonly command: readonly string[]
  /** A pod's `args` replace them; its `command` drops them. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Files and directories of the image: path in the container → path on the machine, which must exist. */
  readonly files?: Readonly<Record<string, string>>
  /**
   * Directories of the machine that containers share and may write, at the same path, such as compile caches: whatever
   * else a container writes goes with it. Made if missing.
   */
  readonly caches?: readonly string[]
  readonly workingDirectory?: string
}

export interface ImageCatalogue {
  register(name: string, image: Image): void
  /** By the exact name, else by the name without its tag and digest. */
  find(name: string): Image | undefined
  /** Resolves when the next image is registered. */
  changed(): Promise<void>
}

export function createImageCatalogue(images: Readonly<Record<string, Image>> = {}): ImageCatalogue {
  const known = new Map<string, Image>()
  let next = Promise.withResolvers<void>()
  const register = (name: string, image: Image): void => {
    if (name.trim() === '') throw new LabError('LAB_IMAGE', `image name '${name}' is empty`)
    if (image.command.length === 0) throw new LabError('LAB_IMAGE', `image '${name}' has no command`)
    known.set(name, image)
    next.resolve()
    next = Promise.withResolvers()
  }
  for (const [name, image] of Object.entries(images)) register(name, image)
  return {
    register,
    find: name => known.get(name) ?? known.get(repository(name)),
    changed: () => next.promise
  }
}

/** `registry:5000/team/app:1.2@sha256:…` without `:1.2` and the digest; a colon before the last `/` is a port. */
function repository(name: string): string {
  const untilDigest = name.split('@', 1)[0]!
  const colon = untilDigest.lastIndexOf(':')
  return colon > untilDigest.lastIndexOf('/') ? untilDigest.slice(0, colon) : untilDigest
}
