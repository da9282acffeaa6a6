import { isIP } from 'node:net'
import { invalidVariable } from './errors.ts'
import type { SettingReader } from './reader.ts'

export interface NodeSettings {
  readonly instanceIp: string
  readonly podName: string
  readonly podNamespace: string
  /** ISTIO_META_* after the proxy configuration's metadata, then ISTIO_METAJSON_*. */
  readonly metadata: ReadonlyMap<string, string>
  readonly jsonMetadata: ReadonlyMap<string, unknown>
  /** `NAME=VALUE` of those that hold no JSON: logged and skipped. */
  readonly badJsonMetadata: readonly string[]
}

/** What discovery is told of this proxy: docs/spec/workload-xds.md. */
export function readNode(read: SettingReader, metadata: ReadonlyMap<string, string>): NodeSettings {
  const jsonMetadata = new Map<string, unknown>()
  const badJsonMetadata: string[] = []
  for (const [name, text] of read.withPrefix('ISTIO_METAJSON_')) {
    try {
      jsonMetadata.set(name, JSON.parse(text))
    } catch {
      badJsonMetadata.push(`ISTIO_METAJSON_${name}=${text}`)
    }
  }
  return {
    instanceIp: readInstanceIp(read),
    podName: read.text('POD_NAME') ?? '',
    podNamespace: read.text('POD_NAMESPACE') ?? '',
    metadata,
    jsonMetadata,
    badJsonMetadata
  }
}

function readInstanceIp(read: SettingReader): string {
  const ip = read.text('INSTANCE_IP') ?? '1.1.1.1'
  if (isIP(ip) === 0) throw invalidVariable('INSTANCE_IP', ip, 'expected an IP address')
  return ip
}
