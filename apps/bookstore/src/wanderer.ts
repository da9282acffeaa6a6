import { getJson } from './http.ts'

/** With a URL: asks for it as the very first thing, prints what came of it. Then waits to be ended. */
export function startWanderer(url: string | undefined): void {
  if (url !== undefined) {
    getJson(url).then(
      answer => console.log(`wanderer: first request answered: ${JSON.stringify(answer)}`),
      (error: Error) => console.log(`wanderer: first request failed: ${error.message}`)
    )
  }
  setInterval(() => {}, 1 << 30)
}
