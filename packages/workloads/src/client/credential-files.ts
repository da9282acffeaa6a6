import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { WorkloadsError } from '../errors.ts'

/**
 * Trust roots as XDS_ROOT_CA names them (docs/spec/workload-xds.md 1.1): an existing file, `SYSTEM`, or PEM text.
 * Files are read again for every connection.
 */
export function rootsFrom(setting: string): () => Promise<string | undefined> {
  return async () => {
    if (setting === 'SYSTEM') return undefined
    if (existsSync(setting)) return await read(setting, 'root certificates')
    if (setting.includes('-----BEGIN CERTIFICATE')) return setting
    const problem = `XDS root certificates ${JSON.stringify(setting.slice(0, 200))} are neither an existing file nor PEM`
    throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', problem)
  }
}

/** A bearer token as AUTH_TOKEN names it: an existing file, else the token itself. Sent as it is, untrimmed. */
export function tokenFrom(setting: string): () => Promise<string> {
  return async () => {
    if (!existsSync(setting)) return setting
    const token = await read(setting, 'token')
    if (token === '') throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', `token file ${setting} is empty`)
    return token
  }
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', `cannot read ${what} from ${path}`, { cause: error })
  }
}
