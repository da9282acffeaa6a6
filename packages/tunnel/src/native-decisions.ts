import type { HopValue, NativeCredential, NativeEngine } from '@culvert/native-tunnel'
import type { ConnectionDecision, ConnectionId, Credential, Hop, StreamDecision } from './data-path.ts'
import type { NativeCredentials } from './native-credentials.ts'

export type Decision = ConnectionDecision | StreamDecision

/** Tells the engine what was decided about a connection; one whose credential cannot be used is refused. */
export function tellDecision(
  engine: NativeEngine,
  credentials: NativeCredentials,
  pod: number,
  id: ConnectionId,
  decision: Decision
): void {
  switch (decision.kind) {
    case 'refuse':
      if (decision.socks5Reply === undefined) engine.refuse(pod, id)
      else engine.refuseSocks5(pod, id, decision.socks5Reply)
      break
    case 'answer':
      engine.answer(pod, id, decision.status)
      break
    case 'direct': {
      const { to, from = '', preface, responseHeaders = [] } = decision
      engine.direct(pod, id, to.ip, to.port, from, preface, responseHeaders.length, ...responseHeaders.flat())
      break
    }
    case 'tunnel': {
      const { to, outer, inner } = decision
      let hops: HopValue[]
      try {
        hops = hopValues(outer, credentials)
        if (inner !== undefined) hops.push(...hopValues(inner, credentials))
      } catch (error) {
        engine.refuse(pod, id, 'TLS', error instanceof Error ? error.message : String(error))
        return
      }
      engine.tunnel(pod, id, to.ip, to.port, ...hops)
    }
  }
}

function hopValues(hop: Hop, credentials: NativeCredentials): HopValue[] {
  const { authority, headers, credential, expectedIdentities, identity, applicationIp } = hop
  const native = parsed(credential, credentials)
  const peers = [expectedIdentities.length, ...expectedIdentities]
  return [authority, native, identity, applicationIp, ...peers, headers.length, ...headers.flat()]
}

function parsed(credential: Credential, credentials: NativeCredentials): NativeCredential {
  try {
    return credentials.get(credential)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`credential '${credential.id}' cannot be used: ${reason}`, { cause: error })
  }
}
