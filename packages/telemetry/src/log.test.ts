import { describe, expect, it } from 'vitest'
import { createLog, display, type Log, parseLogFilter, parseScopeLevels } from './index.ts'

function capture(options: { style?: 'ztunnel' | 'go'; json?: boolean; filter?: string } = {}): {
  log: Log
  lines: string[]
} {
  const lines: string[] = []
  const style = options.style ?? 'ztunnel'
  const filter = (style === 'go' ? parseScopeLevels : parseLogFilter)(options.filter ?? 'trace')
  const clock = (): number => 1_772_600_767_123_456
  const log = createLog({ style, json: options.json ?? false, filter, clock, write: line => lines.push(line) })
  return { log, lines }
}

const time = '2026-03-04T05:06:07.123456Z'

describe('ztunnel text', () => {
  it('[observability-dns-3] ends a line with a message and no fields in a TAB', () => {
    const { log, lines } = capture()
    log.scope('ztunnel::state').info('xds sync complete')
    expect(lines).toEqual([`${time}\tinfo\tstate\txds sync complete\t\n`])
  })

  it('goes straight to the fields of an event without a message', () => {
    const { log, lines } = capture()
    log.scope('dns').debug(undefined, [
      ['query', 'A'],
      ['endpoints', 0]
    ])
    expect(lines).toEqual([`${time}\tdebug\tdns\tquery="A" endpoints=0\n`])
  })

  it('leaves out undefined fields, quotes strings, shows display values bare', () => {
    const { log, lines } = capture()
    log.scope('access').error('connection complete', {
      'src.addr': display('10.0.0.1:80'),
      'src.workload': undefined,
      error: 'a "b" \\ \'c\'\n\t\r\0\u{7}\u{202e}é',
      on: true
    })
    expect(lines[0]).toBe(
      `${time}\terror\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 ` +
        `error="a \\"b\\" \\\\ 'c'\\n\\t\\r\\0\\u{7}\\u{202e}é" on=true\n`
    )
  })

  it('appends spans to the scope, outermost first', () => {
    const { log, lines } = capture()
    const proxy = log.scope('ztunnel::proxy::inbound').span('proxy', [['wl', display('shop/cart')]])
    proxy.span('inbound', { id: display('ab12') }).warn('odd')
    proxy.span('bare').warn('odd')
    expect(lines.map(line => line.split('\t')[2])).toEqual([
      'proxy::inbound:proxy{wl=shop/cart}:inbound{id=ab12}',
      'proxy::inbound:proxy{wl=shop/cart}:bare'
    ])
  })

  it('keeps untrusted text in display values and messages on its line and in its column', () => {
    const { log, lines } = capture()
    log.scope('x').info('a\nb', { c: display('d\te\nf') })
    expect(lines).toEqual([`${time}\tinfo\tx\ta\\nb\tc=d\\te\\nf\n`])
  })
})

describe('JSON', () => {
  it('[observability-dns-2] puts level, time, scope, message first and keeps numbers', () => {
    const { log, lines } = capture({ json: true })
    log.scope('access').info('connection complete', [
      ['src.addr', display('10.20.1.5:55100')],
      ['bytes_sent', 512],
      ['big', 18446744073709551615n],
      ['error', undefined]
    ])
    expect(lines).toEqual([
      `{"level":"info","time":"${time}","scope":"access","message":"connection complete",` +
        '"src.addr":"10.20.1.5:55100","bytes_sent":512,"big":18446744073709551615}\n'
    ])
  })

  it('keeps the ztunnel:: of the target and holds spans in objects at the end', () => {
    const { log, lines } = capture({ json: true })
    const logger = log.scope('ztunnel::xds').span('xds', { id: 3 })
    logger.warn('gone', { reason: 'eof' })
    expect(lines).toEqual([
      `{"level":"warn","time":"${time}","scope":"ztunnel::xds","message":"gone","reason":"eof","xds":{"id":3}}\n`
    ])
  })
})

describe('Go style', () => {
  it('writes scope, message and bare fields', () => {
    const { log, lines } = capture({ style: 'go', filter: 'default:info' })
    log.scope('cni-agent').info('pod added', { pod: 'shop/cart' })
    log.scope('cni-agent').info('ready')
    expect(lines).toEqual([`${time}\tinfo\tcni-agent\tpod added\tpod=shop/cart\n`, `${time}\tinfo\tcni-agent\tready\n`])
  })

  it('has the key msg in JSON', () => {
    const { log, lines } = capture({ style: 'go', json: true, filter: 'default:info' })
    log.scope('ads').info('push', { connected: 2 })
    expect(lines).toEqual([`{"level":"info","time":"${time}","scope":"ads","msg":"push","connected":2}\n`])
  })
})

describe('filters', () => {
  it.each([
    ['hickory_server::server=off,info', 'access', 'info'],
    ['hickory_server::server=off,info', 'hickory_server::server::x', 'off'],
    ['access=debug,acc=error,info', 'access', 'debug'],
    ['access=debug,acc=error,info', 'account', 'error'],
    ['access=debug', 'dns', 'off'],
    ['access', 'access', 'trace'],
    ['a=5,b=0,c=,WARN', 'a', 'trace'],
    ['a=5,b=0,c=,WARN', 'b', 'off'],
    ['a=5,b=0,c=,WARN', 'c', 'error'],
    ['a=5,b=0,c=,WARN', 'd', 'warn']
  ])('%s gives %s the level %s', (text, target, level) => {
    expect(parseLogFilter(text).threshold(target)).toBe(level)
  })

  it('renders longer targets first, equal lengths in reverse order, the bare level last', () => {
    expect(parseLogFilter('info,aa=warn,ab=debug,access=trace').toString()).toBe('access=trace,ab=debug,aa=warn,info')
  })

  it('refuses what is no level', () => {
    expect(() => parseLogFilter('access=loud')).toThrow('log filter "access=loud" is not LEVEL or TARGET=LEVEL')
    expect(() => parseLogFilter('a=b=info')).toThrow('log filter "a=b=info"')
    for (const wrong of ['ads:loud', 'ads:constructor', ':info', 'ads:']) {
      expect(() => parseScopeLevels(wrong)).toThrow(`log level ${JSON.stringify(wrong)}`)
    }
  })

  it('reads the Go form, scopes by exact name', () => {
    const filter = parseScopeLevels('default:warn,ads:debug,all:error')
    expect([filter.threshold('ads'), filter.threshold('adsx'), filter.toString()]).toEqual([
      'debug',
      'error',
      'ads:debug,default:error'
    ])
  })

  it('takes effect on loggers that exist', () => {
    const { log, lines } = capture({ filter: 'info' })
    const logger = log.scope('access')
    logger.debug('one')
    log.setFilter(parseLogFilter('debug'))
    logger.debug('two')
    expect(lines).toHaveLength(1)
  })
})
