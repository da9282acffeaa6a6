import { randomInt } from 'node:crypto'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import { DnsError } from './errors.ts'
import { questionFor, readMessage } from './message.ts'
import type { DnsProxy } from './proxy.ts'
import { writeQuery } from './write-message.ts'

/**
 * The addresses a proxy's client would get for a name, in the order of the reply; empty when there are none, or when the
 * text is no name. Names beyond ASCII are written as DNS has them (RFC 5890).
 */
export async function lookUp(
  proxy: Pick<DnsProxy, 'answer'>,
  name: string,
  family: 'A' | 'AAAA',
  { signal }: { readonly signal: AbortSignal }
): Promise<readonly string[]> {
  const question = questionOf(name, family)
  if (question === undefined) return []
  const query = writeQuery({ ...question, id: randomInt(0x10000), edns: undefined })
  const reply = await proxy.answer(query, 'udp', signal)
  if (reply === undefined) return []
  return readMessage(reply)
    .answers.filter(({ type }) => type === question.type)
    .map(({ data }) => ipaddr.fromByteArray([...data]).toString())
}

function questionOf(name: string, family: 'A' | 'AAAA'): ReturnType<typeof questionFor> | undefined {
  const ascii = /^[!-~]+$/.test(name) ? name : internationalName(name)
  if (ascii === undefined) return undefined
  try {
    return questionFor(ascii, family)
  } catch (error) {
    if (error instanceof DnsError) return undefined
    throw error
  }
}

/** Only of plain letters, digits and what is beyond ASCII: the converter takes the rest for parts of a URL. */
function internationalName(name: string): string | undefined {
  return /^[^\0-,/:-@[-^`{-\x7f]+$/.test(name) ? domainToASCII(name) || undefined : undefined
}
