import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { shellQuote } from './shell-quote.ts'

it.each(['plain', '', 'a b', "it's", '$HOME `id` "x"', 'line\nend', '*', '~'])(
  'a shell reads %j back unchanged',
  text => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellQuote(text)}`], { encoding: 'utf8' })).toBe(text)
  }
)
