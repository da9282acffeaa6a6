/** What a pod's annotations change about its capture (docs/spec/capture.md 2). */
export interface PodOverrides {
  /** Absent: the node's setting. */
  readonly dnsCapture?: boolean
  /** "Ingress mode": no inbound redirection. */
  readonly bypassInbound: boolean
  /** Interfaces of virtual machines or nested containers, whose inbound traffic is the pod's outbound. */
  readonly virtualInterfaces: readonly string[]
}

export const noOverrides: PodOverrides = { bypassInbound: false, virtualInterfaces: [] }

const dnsCaptureAnnotation = 'ambient.istio.io/dns-capture'
const bypassInboundAnnotation = 'ambient.istio.io/bypass-inbound-capture'
const virtualInterfacesAnnotation = 'istio.io/reroute-virtual-interfaces'

/** Reads the annotations; `onInvalid` hears of a value that is no boolean, which then counts as absent. */
export function parsePodOverrides(
  annotations: Readonly<Record<string, string>> | undefined,
  onInvalid: (message: string) => void = () => {}
): PodOverrides {
  const boolean = (name: string): boolean | undefined => {
    const text = annotations?.[name]
    if (text === undefined) return undefined
    const value = parseBoolean(text)
    if (value === undefined) onInvalid(`annotation ${name}=${JSON.stringify(text)} is ignored: expected true or false`)
    return value
  }
  const dnsCapture = boolean(dnsCaptureAnnotation)
  return {
    ...(dnsCapture !== undefined && { dnsCapture }),
    bypassInbound: boolean(bypassInboundAnnotation) ?? false,
    virtualInterfaces: (annotations?.[virtualInterfacesAnnotation] ?? '')
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== '')
  }
}

/** The spellings Go's strconv.ParseBool takes, which the annotations and the node's settings share. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false
  return undefined
}
