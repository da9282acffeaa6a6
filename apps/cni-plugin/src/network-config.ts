import { namePattern } from './cni-environment.ts'
import { CniError, cniErrorCodes, reasonOf } from './cni-error.ts'
import { quoted } from './go-json.ts'
import { parseResult, type CniResult } from './cni-result.ts'
import type { EnablementSelector } from './enablement-selector.ts'

/** The part of the configuration that every command checks before anything else. */
export interface ConfigHead {
  readonly cniVersion: string
  readonly json: Readonly<Record<string, unknown>>
}

/** The configuration of an ADD (docs/spec/cni.md 2.2). */
export interface NetworkConfig {
  readonly cniVersion: string
  readonly previous: CniResult | undefined
  readonly logLevel: string
  readonly runDir: string
  readonly ambientEnabled: boolean
  readonly selectors: readonly EnablementSelector[]
  readonly excludeNamespaces: readonly string[]
  readonly podNamespace: string
  readonly detectionRetry: boolean
}

export function readConfigHead(input: string): ConfigHead {
  let json: unknown
  try {
    json = JSON.parse(input)
  } catch (error) {
    throw new CniError(cniErrorCodes.undecodableConfig, `error unmarshall network config: ${reasonOf(error)}`)
  }
  if (!isObject(json)) {
    throw new CniError(cniErrorCodes.undecodableConfig, 'error unmarshall network config: not a JSON object')
  }
  for (const key of ['name', 'cniVersion']) {
    if (json[key] === undefined || json[key] === null || typeof json[key] === 'string') continue
    throw new CniError(cniErrorCodes.undecodableConfig, `error unmarshall network config: ${key} is not a string`)
  }
  const name = json.name ?? ''
  if (name === '') throw new CniError(cniErrorCodes.badNetworkConfig, 'missing network name')
  if (!namePattern.test(String(name))) {
    throw new CniError(cniErrorCodes.badNetworkConfig, 'invalid characters found in network name', String(name))
  }
  return { cniVersion: String(json.cniVersion || '0.1.0'), json }
}

export function readNetworkConfig({ cniVersion, json }: ConfigHead): NetworkConfig {
  const failure = (problem: string): CniError =>
    new CniError(cniErrorCodes.failed, `failed to parse network configuration: ${problem}`)
  const wrong = (key: string, wanted: string): CniError =>
    failure(`${key} is ${quoted(JSON.stringify(json[key]))}, want ${wanted}`)
  // As in Go, null leaves a setting as it is when absent.
  const value = <T>(key: string, fits: (value: unknown) => value is T, wanted: string, absent: T): T => {
    const found = json[key] ?? absent
    if (!fits(found)) throw wrong(key, wanted)
    return found
  }
  const text = (key: string): string => value(key, isString, 'a string', '')
  const flag = (key: string): boolean => value(key, isBoolean, 'true or false', false)

  text('type')
  value('capabilities', isObject, 'an object', {})
  value('ipam', isObject, 'an object', {})
  value('dns', isObject, 'an object', {})
  flag('native_nftables')
  const settings = {
    cniVersion,
    logLevel: text('plugin_log_level'),
    runDir: text('cni_agent_run_dir'),
    ambientEnabled: flag('ambient_enabled'),
    selectors: value('enablement_selectors', isSelectorList, 'a list of label selectors', []),
    excludeNamespaces: value('exclude_namespaces', isStringList, 'a list of strings', []),
    podNamespace: text('pod_namespace'),
    detectionRetry: flag('enable_ambient_detection_retry')
  }
  const previous = value('prevResult', isObject, 'an object', {})
  if (json.prevResult === undefined || json.prevResult === null) return { ...settings, previous: undefined }
  try {
    return { ...settings, previous: parseResult(previous, cniVersion) }
  } catch (error) {
    throw failure(`could not parse prevResult: ${reasonOf(error)}`)
  }
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStringList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isString)
}

function isSelectorList(value: unknown): value is EnablementSelector[] {
  return (
    Array.isArray(value) &&
    value.every(item => isObject(item) && isSelector(item.podSelector) && isSelector(item.namespaceSelector))
  )
}

function isSelector(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (!isObject(value)) return false
  const { matchLabels, matchExpressions } = value
  const labelsFit = matchLabels == null || (isObject(matchLabels) && Object.values(matchLabels).every(isString))
  const expressionsFit =
    matchExpressions == null ||
    (Array.isArray(matchExpressions) &&
      matchExpressions.every(
        item =>
          isObject(item) &&
          isString(item.key) &&
          isString(item.operator) &&
          (item.values == null || isStringList(item.values))
      ))
  return labelsFit && expressionsFit
}
