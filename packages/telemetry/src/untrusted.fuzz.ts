import assert from 'node:assert/strict'
import { assertPlainText, type FuzzTarget } from '@culvert/testing'
import { lineFormat } from './log-line.ts'
import { display } from './log-value.ts'

/** Text of others in every place of a log line, in every format: it stays in its line, and JSON stays JSON. */
const line: FuzzTarget = {
  name: 'log-line',
  seeds: ['connection complete', 'cart\n2026-01-01\tinfo\taccess', '\x1b[2J', '"\\', '\u2028é\u0301'].map(text =>
    Buffer.from(text)
  ),
  words: ['\n', '\t', '"', '\\', '\x7f', '\x85', '\u2028', '\ud800', '\x1b'].map(word => Buffer.from(word)),
  run(input) {
    for (const text of [input.toString('utf8'), input.toString('utf16le')]) {
      const spans = [{ name: 'span', fields: [['quoted', text] as const, ['bare', display(text)] as const] }]
      const fields = [['quoted', text] as const, ['bare', display(text)] as const]
      const event = { time: 0, level: 'info' as const, target: 'access', message: text, fields, spans }
      for (const style of ['ztunnel', 'go'] as const) {
        // The format's own separators.
        assertPlainText(lineFormat(style, false)(event).replaceAll('\t', ' '), 100 * (text.length + 10))
        const json = lineFormat(style, true)(event)
        assert.ok(!json.includes('\n'), 'a line of JSON that is two')
        const { quoted, bare } = JSON.parse(json)
        assert.deepEqual([quoted, bare], [text, text])
      }
    }
    // Taken as it is.
    return input.every(byte => byte >= 0x20 && byte < 0x7f)
  }
}

export const targets: readonly FuzzTarget[] = [line]
