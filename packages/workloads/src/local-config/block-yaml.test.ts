import { describe, expect, it } from 'vitest'
import { parse, parseDocument } from 'yaml'
import { Random } from '@culvert/testing'
import { blockItems } from './block-items.ts'
import { blockValue, notSimple } from './block-value.ts'

describe('a block value', () => {
  const item = `- uid: c//Pod/a/b-1
  ip:
  - 10.0.0.1
  - "fd00::1"
  flag: true
  nothing:
  # said
  services:
    a/b.example:
      80: 8080
    'c/d': {443: 8443, 80: x}
  list: [a, 'b', 1]
  deep:
    - - 1
      - x: y
    - []
  text: some words, and: {not} flow!
`
  it('is what the YAML parser says', () => {
    const doubtful = item.replace('and: ', 'and ')
    expect(blockValue(doubtful)).toEqual(parse(doubtful)[0])
    expect(blockValue(item)).toBe(notSimple)
  })

  // Every one has a meaning that this reader does not know.
  it.each([
    '- a: 0x10',
    '- a: 010',
    '- a: 1.0',
    '- a: 1e3',
    '- a: -1',
    '- a: .5',
    '- a: &x 1',
    '- a: *x',
    '- a: !Exact b',
    '- a: b # comment',
    "- a: 'it''s'",
    '- a: "\\n"',
    '- a: |\n    b',
    '- a: b\n    c',
    '- a: 1\n  a: 2',
    '- <<: 1',
    '- __proto__: 1',
    '- ? a\n  : b',
    '- a: [b, [c]]',
    '- a: {b: {c: 1}}',
    '- a: [b,\n    c]',
    '- a:\tb',
    '- a: \u00e9',
    '- null: 1',
    '- a: b\n c: d',
    '-',
    '- a\n- b',
    'a: b',
    '- a: @b',
    '- a: "b" c',
    '- a: [b] c',
    '- a: {b:c}',
    '- a: - b'
  ])('is left to the parser: %j', text => {
    expect(blockValue(text)).toBe(notSimple)
  })

  it('is left to the parser when it is too deep', () => {
    expect(blockValue(`${'- '.repeat(100_000)}a`)).toBe(notSimple)
  })

  describe('never has another opinion', () => {
    const random = new Random(7)
    const pieces = [
      '- ',
      '-',
      '  ',
      '    ',
      ' ',
      '\n',
      '\n  ',
      '\n    ',
      '\n- ',
      'a',
      'b: ',
      'c:',
      ': ',
      '80',
      '8080',
      '010',
      'x/y',
      '10.0.0.1',
      '1.5',
      '0x1f',
      '"q"',
      "'r'",
      '"',
      "'",
      '[',
      ']',
      '{',
      '}',
      ', ',
      ',',
      '#',
      ' # c',
      'null',
      '~',
      'true',
      '::1',
      '|',
      '>',
      '&a',
      '*a',
      '!T',
      '%',
      '@',
      '`',
      '?',
      '? ',
      '\t',
      '---',
      'é',
      'a b',
      'key: value',
      'list:\n  - 1',
      '[a, b]',
      '{a: b}',
      '[]',
      '{}'
    ]
    const good = [
      'a: b',
      'c: 80',
      'd: "q"',
      "e: 'r'",
      'f:',
      'g: [a, b]',
      'h: {80: 90}',
      '  i: j',
      '  - k',
      '- l',
      '    m: n',
      '  - - o',
      '- p: q'
    ]
    /** Mappings of eight keys and more are remembered, and the next that begins alike is expected to be like them. */
    const alike = (): string => {
      const keys = 'abcdefghijkl'.slice(0, 7 + random.below(6)).split('')
      for (let left = random.below(3); left > 0; left--) {
        const at = random.below(keys.length)
        const change = random.below(4)
        if (change === 0) keys.splice(at, 1)
        else if (change === 1) keys.splice(at, 0, 'abcdefghijklm80'[random.below(15)]!)
        else if (change === 2) keys.push(keys[at]!)
        else keys.splice(at, 1, ...keys.splice(at + 1, 1), keys[at]!)
      }
      const values = [
        ' 80',
        ' x',
        '',
        ' null',
        ' [a, b]',
        ' {80: 90}',
        `\n    ${keys.map(key => `${key}: 1`).join('\n    ')}`
      ]
      return keys.map(key => `${key}:${values[random.below(values.length)]}\n  `).join('')
    }
    const pieced = (): string => {
      let text = ''
      for (let left = 1 + random.below(6); left > 0; left--) text += pieces[random.below(pieces.length)]
      return text
    }
    const indented = (): string => {
      let text = ''
      for (let left = 1 + random.below(6); left > 0; left--)
        text += `${good[random.below(good.length)]}\n${' '.repeat(2 * random.below(3))}`
      return text
    }
    it.each([
      { kind: 'pieces', make: pieced, rounds: 15_000, least: 100 },
      { kind: 'lines', make: indented, rounds: 15_000, least: 1_000 },
      { kind: 'mappings that are alike', make: alike, rounds: 3_000, least: 1_000 }
    ])('than the parser: $kind', ({ make, rounds, least }) => {
      let simple = 0
      for (let round = 0; round < rounds; round++) {
        const text = `- ${make()}`
        const value = blockValue(text)
        if (value === notSimple) continue
        simple++
        const document = parseDocument(text, { logLevel: 'silent' })
        expect({ text, problems: [...document.errors, ...document.warnings] }).toEqual({ text, problems: [] })
        expect({ text, value: [value] }).toStrictEqual({ text, value: document.toJS() })
      }
      expect(simple).toBeGreaterThan(least)
    })
  })
})

describe('block items', () => {
  const file = `# a mesh
workloads: # many
  - a: 1
    b: 2

  - a: 3
    # c
services:
- x: |
   - not an item
  y: 1
-
  z: 2
policies:
`
  it.each([1, 2, 7, 10_000])('are the same in pieces of %i characters', size => {
    const chunks = file.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
    const items = [...blockItems(chunks)]
    expect(items.map(({ section, position }) => `${section} ${position}`)).toEqual([
      'workloads 0',
      'workloads 1',
      'services 0',
      'services 1'
    ])
    expect(items.map(({ text, start, end }) => parse(text.slice(start, end))[0])).toEqual([
      { a: 1, b: 2 },
      { a: 3 },
      { x: '- not an item\n', y: 1 },
      { z: 2 }
    ])
  })

  it('need no line end at the end', () => {
    expect([...blockItems(['workloads:\n- a'])].map(({ text, start, end }) => text.slice(start, end))).toEqual([
      '- a\n'
    ])
    expect([...blockItems([''])]).toEqual([])
  })

  it.each([
    '{}',
    'workloads: []\n',
    'workloads:\n- a\nworkloads:\n- b\n',
    'others:\n- a\n',
    '---\nworkloads:\n- a\n',
    '%YAML 1.2\n',
    'workloads:\n  a: b\n',
    'workloads:\n- a\nb\n',
    '- a\n',
    '\ufeffworkloads:\n- a\n',
    'workloads:\n- a\n...\n',
    'workloads: &x\n- a\n'
  ])('are not made of %j', text => {
    expect(() => [...blockItems([text])]).toThrow('a line of another kind')
  })
})
