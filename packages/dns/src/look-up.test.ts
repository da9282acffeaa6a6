import { describe, expect, it } from 'vitest'
import { DnsError } from './errors.ts'
import { lookUp } from './look-up.ts'
import { readMessage, recordType } from './message.ts'
import { writeReply } from './write-message.ts'

const { signal } = new AbortController()

/** A proxy that knows two addresses of each family for every name; it remembers what it was asked. */
function proxy(asked: string[] = []): { answer: (bytes: Buffer) => Promise<Buffer> } {
  return {
    answer: async bytes => {
      const query = readMessage(bytes)
      const [question] = query.questions
      if (question === undefined) throw new DnsError('DNS_BAD_MESSAGE', 'no question')
      asked.push(question.name)
      const record = (type: number, data: Buffer) => ({ wire: question.wire, type, class: 1, ttl: 30, data })
      const v6 = (last: number): Buffer => Buffer.from([0xfd, ...Array(14).fill(0), last])
      const addresses =
        question.type === recordType.A ? [Buffer.of(10, 0, 0, 2), Buffer.of(10, 0, 0, 1)] : [v6(2), v6(1)]
      const answers = [record(recordType.CNAME, question.wire), ...addresses.map(data => record(question.type, data))]
      const reply = {
        ...query,
        authoritative: true,
        recursionAvailable: true,
        questionCount: 1,
        answers,
        additionals: [],
        edns: undefined
      }
      return writeReply(reply, 512)
    }
  }
}

describe('looking up a name at a proxy', () => {
  it('gives the addresses of a family in the order of the reply', async () => {
    expect(await lookUp(proxy(), 'stock', 'A', { signal })).toEqual(['10.0.0.2', '10.0.0.1'])
    expect(await lookUp(proxy(), 'stock.', 'AAAA', { signal })).toEqual(['fd00::2', 'fd00::1'])
  })

  it('asks for international names as DNS has them', async () => {
    const asked: string[] = []
    await lookUp(proxy(asked), 'bücher.Example', 'A', { signal })
    await lookUp(proxy(asked), '_Svc.stock', 'A', { signal })
    expect(asked).toEqual(['xn--bcher-kva.example', '_svc.stock'])
  })

  it.each(['', 'a..b', '.a', 'a b', 'a\0b', 'bü/cher', 'bü%41', 'x'.repeat(64), `${'x.'.repeat(127)}x`, '\u00ad'])(
    'asks nothing for %j, which is no name',
    async name => {
      const asked: string[] = []
      expect(await lookUp(proxy(asked), name, 'A', { signal })).toEqual([])
      expect(asked).toEqual([])
    }
  )

  it('has none when there is no reply', async () => {
    expect(await lookUp({ answer: async () => undefined }, 'stock', 'A', { signal })).toEqual([])
  })
})
