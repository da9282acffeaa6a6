/** One of several, each as likely as its weight says; undefined when there is no weight to draw by. */
export function draw<Choice>(
  choices: readonly Choice[],
  weightOf: (choice: Choice) => number,
  random: () => number
): Choice | undefined {
  let total = 0
  for (const choice of choices) total += weightOf(choice)
  if (total === 0) return undefined
  let left = random() * total
  for (const choice of choices) {
    left -= weightOf(choice)
    if (left < 0) return choice
  }
  return undefined
}
