import { describe, expect, it } from 'vitest'
import { cpuProfile, heapProfile } from './from-v8.ts'
import { encodeProfile } from './pprof.ts'
import { profileResponse } from './profile-responses.ts'
import { createProfiler, type ZtunnelProfiler } from './profiler.ts'

const frame = (functionName: string, lineNumber = 0) => ({
  functionName,
  lineNumber,
  columnNumber: 0,
  scriptId: '1',
  url: 'file:///decide.ts'
})

describe('profiles of V8', () => {
  it('become stacks with counts and nanoseconds, without the time spent waiting', () => {
    const node = (id: number, name: string, children: number[] = []) => ({
      id,
      callFrame: frame(name, id),
      hitCount: 0,
      children
    })
    const nodes = [node(1, '(root)', [2, 5]), node(2, 'outer', [3]), node(3, ''), node(5, '(idle)')]
    const profile = cpuProfile(
      { nodes, samples: [3, 3, 5, 2], timeDeltas: [0, 10, 10, 30], startTime: 100, endTime: 150 },
      { periodNanos: 10_000, takenAt: 7 }
    )
    const outer = { name: 'outer', file: 'file:///decide.ts', line: 3 }
    expect(profile).toMatchObject({ period: 10_000, durationNanos: 50_000 })
    expect(profile.samples).toEqual([
      { stack: [{ name: '(anonymous)', file: 'file:///decide.ts', line: 4 }, outer], values: [2, 20_000] },
      { stack: [outer], values: [1, 0] }
    ])
  })

  it('become what was allocated and is still there', () => {
    const inner = { id: 2, callFrame: frame('make', 8), selfSize: 640, children: [] }
    const head = { id: 1, callFrame: frame('(root)'), selfSize: 0, children: [inner] }
    const samples = [{ nodeId: 2 }, { nodeId: 2 }]
    expect(heapProfile({ head, samples }, { periodBytes: 512, takenAt: 0 }).samples).toEqual([
      { stack: [{ name: 'make', file: 'file:///decide.ts', line: 9 }], values: [2, 640] }
    ])
  })

  it('are written as profile.proto says', () => {
    const a = { name: 'a', file: 'f', line: 300 }
    const bytes = encodeProfile({
      sampleTypes: [{ type: 'n', unit: 'u' }],
      samples: [{ stack: [a, { name: 'b', file: 'f', line: 0 }, a], values: [1] }],
      periodType: { type: 'n', unit: 'u' },
      period: 2,
      takenAt: 1,
      durationNanos: 128
    })
    const text = (value: string): string => `3201${Buffer.from(value).toString('hex')}`
    expect(Buffer.from(bytes).toString('hex')).toBe(
      [
        '0a0408011002', // sample type: strings 1 and 2
        '12080a030102' + '01' + '120101', // the stack's locations, the value
        '220908012205' + '080110ac02', // location 1, in function 1, line 300
        '220608022202' + '0802', // location 2, in function 2
        '2a09080110032004' + '28ac02', // function 1: strings 3 and 4, line 300
        '2a06080210052004', // function 2: strings 5 and 4
        `3200${text('n')}${text('u')}${text('a')}${text('f')}${text('b')}`,
        '48c0843d', // 1 ms in nanoseconds
        '508001',
        '5a0408011002',
        '6002'
      ].join('')
    )
  })
})

describe('/debug/pprof', () => {
  const ask = async (path: string, profiler: ZtunnelProfiler) => {
    const [name = '', query] = path.split('?')
    const answer = await profileResponse({ path: `/debug/pprof/${name}`, query: new URLSearchParams(query) }, profiler)
    return { ...answer, body: Buffer.from(answer?.body ?? '') }
  }

  it.each([
    ['profile?seconds=0', 'invalid seconds value; expected 1-300\n'],
    ['profile?seconds=301', 'invalid seconds value; expected 1-300\n'],
    ['profile?seconds=1&seconds=x', 'invalid seconds value; expected 1-300\n'],
    ['profile?frequency=1001', 'invalid frequency value; expected 1-1000\n'],
    ['profile?frequency=', 'invalid frequency value; expected 1-1000\n'],
    ['heap/profiling?activate=yes', 'invalid activate value "yes"; expected true or false\n']
  ])('%s is refused: %s', async (path, body) => {
    const answer = await ask(path, createProfiler({ signal: new AbortController().signal }))
    expect(answer).toMatchObject({ status: 400, contentType: 'text/plain' })
    expect(String(answer.body)).toBe(body)
  })

  it('asks for 10 seconds and 100 samples in each unless told otherwise', async () => {
    const asked: unknown[] = []
    const unused = createProfiler({ signal: AbortSignal.abort() })
    const cpu: ZtunnelProfiler['cpu'] = async options => {
      asked.push(options)
      return Buffer.from('profile')
    }
    expect(await ask('profile', { ...unused, cpu })).toEqual({ status: 200, body: Buffer.from('profile') })
    await ask('profile?seconds=300&frequency=1000', { ...unused, cpu })
    expect(asked).toEqual([
      { seconds: 10, frequency: 100 },
      { seconds: 300, frequency: 1_000 }
    ])
  })

  it('takes a CPU profile of this very thread', async () => {
    const taken = ask('profile?seconds=1', createProfiler({ signal: new AbortController().signal }))
    let over = false
    void taken.finally(() => {
      over = true
    })
    function recognisable(): number {
      const until = performance.now() + 10
      let sum = 0
      while (performance.now() < until) sum += Math.sqrt(sum + 1)
      return sum
    }
    while (!over) {
      recognisable()
      await new Promise(resolve => setImmediate(resolve))
    }
    const { status, contentType, body } = await taken
    expect({ status, contentType }).toEqual({ status: 200, contentType: undefined })
    expect(body.includes('recognisable')).toBe(true)
  })

  it('takes one CPU profile at a time, and ends it when the process does', async () => {
    const stop = new AbortController()
    const profiler = createProfiler({ signal: stop.signal })
    const taken = ask('profile?seconds=300', profiler)
    await expect(ask('profile?seconds=1', profiler)).rejects.toThrow('a CPU profile is being taken already')
    stop.abort()
    expect((await taken).status).toBe(200)
  })

  it('takes heap profiles once they are switched on', async () => {
    const profiler = createProfiler({ signal: new AbortController().signal })
    expect(await ask('heap', profiler)).toMatchObject({ status: 500, contentType: 'text/plain' })
    const toggle = async (query: string) => String((await ask(`heap/profiling${query}`, profiler)).body)
    expect(await toggle('')).toBe('heap profiling active: false\n')
    expect(await toggle('?activate=true')).toBe('heap profiling active: true\n')
    const kept: unknown[] = []
    function keepSomething(): void {
      for (let i = 0; i < 200_000; i += 1) kept.push({ i })
    }
    keepSomething()
    const { status, contentType, body } = await ask('heap', profiler)
    expect({ status, contentType }).toEqual({ status: 200, contentType: undefined })
    expect(body.includes('keepSomething')).toBe(true)
    expect(kept).toHaveLength(200_000)
    expect(await toggle('?activate=false')).toBe('heap profiling active: false\n')
    expect((await ask('heap', profiler)).status).toBe(500)
  })
})
