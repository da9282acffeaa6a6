/** `metav1.LabelSelector`, as the API gives it or an operator writes it; what is null counts as absent. */
export interface LabelSelector {
  readonly matchLabels?: Labels | null
  readonly matchExpressions?: readonly LabelSelectorRequirement[] | null
}

export interface LabelSelectorRequirement {
  readonly key: string
  /** In, NotIn, Exists or DoesNotExist. */
  readonly operator: string
  readonly values?: readonly string[] | null
}

export type Labels = Readonly<Record<string, string>>

/**
 * Whether a selector takes an object with these labels, as Kubernetes reads it: all requirements must hold, an empty selector takes
 * everything, NotIn and DoesNotExist also hold for an absent label, and an unknown operator never holds.
 */
export function matchesLabelSelector(selector: LabelSelector | null | undefined, labels: Labels): boolean {
  const value = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)
  return (
    Object.entries(selector?.matchLabels ?? {}).every(([key, wanted]) => value(key) === wanted) &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values }) => {
      const found = value(key)
      const among = found !== undefined && (values ?? []).includes(found)
      if (operator === 'In') return among
      if (operator === 'NotIn') return !among
      if (operator === 'Exists') return found !== undefined
      return operator === 'DoesNotExist' && found === undefined
    })
  )
}
