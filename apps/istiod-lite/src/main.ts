#!/usr/bin/env node
import { createKubernetesClient, KubernetesError, loadClusterAccess } from '@culvert/kubernetes'
import { createLineWriter, createLog, parseScopeLevels, TelemetryError } from '@culvert/telemetry'
import { IstiodError } from './errors.ts'
import { createIstiod } from './istiod.ts'
import { parseArguments } from './settings/arguments.ts'
import { readMeshConfig } from './settings/mesh-config.ts'
import { readSettings } from './settings/settings.ts'

const environment = { get: (name: string): string | undefined => process.env[name] }
const drainMs = 5_000

// Writes to a pipe, a file or a terminal are synchronous on Linux, so nothing is lost at exit.
const lines = createLineWriter(text => void process.stdout.write(text))

async function main(): Promise<void> {
  const flags = parseArguments(process.argv.slice(2))
  const log = createLog({
    style: 'go',
    json: flags.logAsJson,
    filter: parseScopeLevels(flags.logOutputLevel),
    write: lines.write
  })
  const main = log.scope('default')
  for (const flag of flags.ignored) main.warn(`flag --${flag} has no effect here`)
  const settings = readSettings(environment, flags, await readMeshConfig(flags.meshConfig))
  const access = await loadClusterAccess(environment, { kubeconfig: flags.kubeconfig })
  const client = createKubernetesClient(access)
  main.info(
    `starting for cluster ${settings.clusterId}, trust domain ${settings.trustDomain}, API server ${client.server}`
  )
  const istiod = createIstiod(settings, client, log)

  const stop = new AbortController()
  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        main.info(`received ${signal}`)
        stop.abort()
        resolve()
      })
    }
  })
  try {
    const { secureGrpc, plainGrpc } = await istiod.start({ signal: stop.signal })
    main.info(
      `serving: gRPC over TLS on ${secureGrpc?.port ?? 'no port'}, plaintext on ${plainGrpc?.port ?? 'no port'}`
    )
    await stopped
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  await istiod.drain({ deadline: AbortSignal.timeout(drainMs) })
  client.close()
  lines.flush()
  process.exit(0)
}

main().catch((error: unknown) => {
  const known = error instanceof IstiodError || error instanceof KubernetesError || error instanceof TelemetryError
  lines.flush()
  process.stderr.write(`istiod-lite: ${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
})
