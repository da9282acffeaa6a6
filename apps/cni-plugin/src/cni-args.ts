import { quoted } from './go-json.ts'

/** What CNI_ARGS says about the pod (docs/spec/cni.md 2.3); empty strings for a sandbox that is no pod's. */
export interface PodReference {
  readonly name: string
  readonly namespace: string
}

const podKeys = ['K8S_POD_NAME', 'K8S_POD_NAMESPACE', 'K8S_POD_INFRA_CONTAINER_ID', 'K8S_POD_UID']

/** Later pairs win. Keys nobody knows are an error unless the string also says IgnoreUnknown. */
export function readCniArgs(text: string): PodReference {
  const found: Record<string, string> = {}
  const unknown: string[] = []
  let ignoreUnknown = false
  for (const pair of text === '' ? [] : text.split(';')) {
    const parts = pair.split('=')
    const [key, value] = parts
    if (parts.length !== 2 || key === undefined || value === undefined) {
      throw new Error(`failed to load args: ARGS: invalid pair ${quoted(pair)}`)
    }
    if (key === 'IgnoreUnknown') ignoreUnknown = readFlag(value, pair)
    else if (podKeys.includes(key)) found[key] = value
    else unknown.push(pair)
  }
  if (unknown.length > 0 && !ignoreUnknown) {
    throw new Error(`failed to load args: ARGS: unknown args [${unknown.map(quoted).join(' ')}]`)
  }
  return { name: found.K8S_POD_NAME ?? '', namespace: found.K8S_POD_NAMESPACE ?? '' }
}

function readFlag(value: string, pair: string): boolean {
  if (/^(1|true)$/i.test(value)) return true
  if (/^(0|false)$/i.test(value)) return false
  throw new Error(`failed to load args: ARGS: error parsing value of pair ${quoted(pair)}`)
}
