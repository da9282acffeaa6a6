import { describe, expect, it } from 'vitest'
import { readSettings } from './settings.ts'

const known = ['throughput', 'rps']

describe('arguments', () => {
  it('mean five runs of everything if there are none', () => {
    expect(readSettings([], known)).toMatchObject({ cases: [], runs: 5, seconds: 5, peer: undefined, direct: false })
  })

  it('name cases, a peer and more', () => {
    const args = ['rps', '--peer', process.execPath, '--reno', '--direct', '--runs', '7', '--json', 'out.json']
    expect(readSettings(args, known)).toMatchObject({
      cases: ['rps'],
      runs: 7,
      peer: process.execPath,
      congestionControl: 'reno',
      direct: true,
      json: 'out.json'
    })
  })

  it('ask for a short look', () => {
    expect(readSettings(['--quick'], known)).toMatchObject({ runs: 1, seconds: 1 })
    expect(readSettings(['--quick', '--runs', '2'], known)).toMatchObject({ runs: 2, seconds: 1 })
  })

  it('limit what the host may take', () => {
    expect(readSettings([], known)).toMatchObject({ maxStolen: 1 })
    expect(readSettings(['--max-stolen', '2'], known)).toMatchObject({ maxStolen: 0.02 })
  })

  it.each([
    [['speed'], "unknown case 'speed'"],
    [['--fast'], '--fast'],
    [['--runs', '0'], "--runs is '0'"],
    [['--max-stolen', '0'], "--max-stolen is '0'"],
    [['--seconds', '1.5'], "--seconds is '1.5'"],
    [['--peer', import.meta.filename], 'settings.test.ts: not an executable file'],
    [['--peer', import.meta.dirname], 'src: not an executable file']
  ])('%j are refused', (args, message) => {
    expect(() => readSettings(args, known)).toThrow(message)
  })
})
