import { describe, expect, it } from 'vitest'
import { type DaemonSetAnswer, shouldCleanUp } from './keep-or-clean.ts'

const failed: DaemonSetAnswer = { kind: 'failed', error: new Error('no route') }

describe('[cni-22] the node is cleaned up', () => {
  it.each<[string, Partial<Parameters<typeof shouldCleanUp>[0]>, DaemonSetAnswer, boolean, number]>([
    ['outside ambient mode', { ambient: false }, failed, true, 0],
    ['when safe upgrades are off', { safeUpgradeDisabled: true }, failed, true, 0],
    ['when the DaemonSet is absent', {}, { kind: 'absent' }, true, 1],
    ['when it is being deleted', {}, { kind: 'deleting' }, true, 1],
    ['when we are no longer authorized', {}, { kind: 'unauthorized' }, true, 1],
    ['not when it is there and matches the node', {}, { kind: 'present', matchesNode: true }, false, 1],
    ['when it no longer matches the node', {}, { kind: 'present', matchesNode: false }, true, 1],
    ['when the question fails, after one attempt', {}, failed, true, 1],
    ['not when it fails in own-file mode, after three', { ownConfigSetting: true }, failed, false, 3]
  ])('%s', async (_, changes, answer, expected, asked) => {
    let questions = 0
    const ask = async (): Promise<DaemonSetAnswer> => {
      questions++
      return answer
    }
    const input = {
      ambient: true,
      safeUpgradeDisabled: false,
      ownConfigSetting: false,
      ask,
      pause: async () => {},
      ...changes
    }
    expect(await shouldCleanUp(input)).toBe(expected)
    expect(questions).toBe(asked)
  })
})
