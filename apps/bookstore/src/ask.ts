import { getJson } from './http.ts'

/** Asks once: the answer on stdout and status 0, or the error on stderr and status 1. */
export async function ask(url = ''): Promise<void> {
  try {
    console.log(JSON.stringify(await getJson(url)))
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 1
  }
}
