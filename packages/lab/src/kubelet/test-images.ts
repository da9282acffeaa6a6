import { fileURLToPath } from 'node:url'
import type { Image } from './image-catalogue.ts'

/** Programs of the package itself, run by the Node that runs the lab. */
const program = (name: string): Image => ({
  command: [process.execPath, fileURLToPath(new URL(`../testing/${name}`, import.meta.url))]
})

/** Images that every cluster knows, for tests and for trying things out. */
export const testImages: Readonly<Record<string, Image>> = {
  /** HTTP on PORT (8080): answers with its pod's name; TCP echo on ECHO_PORT (9000). */
  'culvert.dev/test/server': program('server.mjs'),
  /** Does nothing until it is told to end. */
  'culvert.dev/test/pause': program('pause.mjs')
}
