import { parseWrk, type WrkOptions, type WrkResult, wrkCommand } from '../load/wrk.ts'
import { httpPort } from '../world/manifests.ts'
import type { Stage } from '../world/stage.ts'
import { succeed } from './succeed.ts'

/** wrk in the client's pod, at the server's. @throws BenchError BENCH_REFUSED */
export async function askServer(stage: Stage, load: Omit<WrkOptions, 'url'>): Promise<WrkResult> {
  const command = wrkCommand({ ...load, url: `http://${stage.serverIp}:${httpPort}/` })
  return parseWrk(succeed(command, await stage.inClient(command, (load.seconds + 30) * 1_000)))
}
