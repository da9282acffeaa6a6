import path from 'node:path'
import type { Image } from './image-catalogue.ts'

/** Programs of the package itself, TypeScript or built like this file, run by the Node that runs the lab. */
const program = (name: string): Image => ({
  command: [process.execPath, path.join(import.meta.dirname, '../testing', name + path.extname(import.meta.filename))]
})

/** Images that every cluster knows, for tests and for trying things out. */
export const testImages: Readonly<Record<string, Image>> = {
  /** HTTP on PORT (8080): answers with its pod's name; TCP echo on ECHO_PORT (9000). */
  'culvert.dev/test/server': program('server'),
  /** Does nothing until it is told to end. */
  'culvert.dev/test/pause': program('pause')
}
