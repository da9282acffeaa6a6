export type LabelPairs = readonly (readonly [name: string, value: string])[]

/** Labels rendered once, in the given order: what a connection uses for all its samples. */
export interface LabelSet {
  /** `a="b",c="d"` */
  readonly text: string
}

export const noLabels: LabelSet = { text: '' }

export function labelSet(labels: LabelSet | LabelPairs): LabelSet {
  if ('text' in labels) return labels
  return { text: labels.map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escapeCharacter)}"`).join(',') }
}

function escapeCharacter(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}
