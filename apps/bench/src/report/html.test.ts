import { expect, it } from 'vitest'
import type { Conditions } from '../conditions/conditions.ts'
import { renderHtml } from './html.ts'
import type { Measured } from './table.ts'

const conditions: Conditions = {
  time: '2026-11-21T10:00:00.000Z',
  machine: {
    cpu: 'Some <CPU>',
    cpus: 2,
    memoryBytes: 2 ** 34,
    kernel: '6.18.0',
    congestionControl: 'bbr',
    loadBefore: 0.1
  },
  revision: 'abc1234',
  loadPrograms: 'iperf 3.12; wrk 4.1.0',
  contenders: [
    {
      name: 'ours',
      build: { version: 'culvert', profile: 'release', tlsLibrary: 'openssl 3.5.8' },
      threads: { MainThread: 1, V8Worker: 4 },
      cpusAllowed: '0-1',
      cpuQuota: 'none',
      openFiles: 20_000,
      congestionControls: { tunnel: 'bbr', local: 'reno' }
    }
  ]
}
const measured: Measured = {
  cases: [
    {
      kind: 'local',
      name: 'speed',
      title: 'Speed & more',
      metrics: [{ name: 'rate', title: 'rate', unit: '1/s', better: 'more', target: { machine: 1.5 } }],
      duration: () => 1,
      run: async () => ({})
    }
  ],
  contenders: ['ours', 'peer'],
  samples: [
    { case: 'speed', contender: 'ours', run: 1, values: { rate: 20 }, stolen: 0.05 },
    { case: 'speed', contender: 'peer', run: 1, values: { rate: 10 }, stolen: 0.05 }
  ],
  disturbed: [{ case: 'speed', contender: 'peer', run: 1, values: { rate: 3 }, stolen: 0.3 }],
  refusals: [{ case: 'speed', contender: 'peer', run: 1, reason: 'said <script>alert(1)</script>' }],
  reno: false
}

it('is one page that loads nothing, with a lane for each contender', () => {
  const page = renderHtml(measured, conditions)
  expect(page).not.toMatch(/<script|<link|src=|url\(|https?:/)
  expect(page).toContain('prefers-color-scheme:dark')
  // On a scale to 20: ours over the whole lane, theirs over half of it.
  expect(page).toContain('<g class="ours"><rect x="5" y="3" width="350.0"')
  expect(page).toContain('<g class="peer"><rect x="5" y="19" width="175.0"')
  expect(page).toContain('≥ 1.5, reached')
})

it('takes no text for markup', () => {
  const page = renderHtml(measured, conditions)
  for (const text of ['Some &lt;CPU&gt;', 'Speed &amp; more', 'said &lt;script&gt;']) expect(page).toContain(text)
})

it('tells the conditions', () => {
  const page = renderHtml(measured, conditions)
  expect(page).toContain('5 threads (MainThread, V8Worker × 4)')
  expect(page).toContain('congestion control: bbr on tunnel; reno on local')
  expect(page).toContain('ours 5.0 % (5.0 % … 5.0 %); peer 5.0 % (5.0 % … 5.0 %)')
})
