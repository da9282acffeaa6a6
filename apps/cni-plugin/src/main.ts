import fs from 'node:fs'
import { runCommand } from './run-command.ts'

// The build puts the number of package.json here.
declare const CULVERT_VERSION: string

// Standard streams by descriptor: all of it is written when the process ends, whatever they are connected to.
runCommand({
  env: process.env,
  pluginVersion: CULVERT_VERSION,
  readInput: () => fs.readFileSync(0, 'utf8'),
  stdout: text => write(1, text),
  stderr: text => write(2, text)
}).then(status => process.exit(status))

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += fs.writeSync(fd, bytes, done)
    } catch (error) {
      // A non-blocking pipe that is full: its reader is slow, not gone.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue
      if (fd === 2) return
      throw error
    }
  }
}
