/** What the API server said when asked whether this node's agent is going for good (docs/spec/cni.md 3.7). */
export type DaemonSetAnswer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'deleting' }
  | { readonly kind: 'unauthorized' }
  /** It is there; does its required node affinity still match this node? */
  | { readonly kind: 'present'; readonly matchesNode: boolean }
  | { readonly kind: 'failed'; readonly error: Error }

export interface ShutdownInput {
  readonly ambient: boolean
  readonly safeUpgradeDisabled: boolean
  readonly ownConfigSetting: boolean
  /** One question; asked again by this function where the rule says so. */
  readonly ask: () => Promise<DaemonSetAnswer>
  readonly pause: (milliseconds: number) => Promise<void>
}

const ownConfigAttempts = 3

/** Clean the node up, or leave everything for the agent that comes next? */
export async function shouldCleanUp(input: ShutdownInput): Promise<boolean> {
  if (!input.ambient || input.safeUpgradeDisabled) return true
  const attempts = input.ownConfigSetting ? ownConfigAttempts : 1
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const answer = await input.ask()
    if (answer.kind === 'present') return !answer.matchesNode
    if (answer.kind !== 'failed') return true
    if (attempt < attempts) await input.pause(1000)
  }
  return !input.ownConfigSetting
}
