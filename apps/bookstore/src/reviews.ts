import { getJson, serveJson } from './http.ts'

/** v1 has no stars; v2 and v3 ask ratings, and show black or red ones. */
const colors: Record<string, string | undefined> = { v1: undefined, v2: 'black', v3: 'red' }

export function startReviews({ port, version, ratings }: { port: number; version: string; ratings: string }): void {
  if (!Object.hasOwn(colors, version))
    throw new Error(`reviews: unknown version '${version}'; one of: ${Object.keys(colors).join(', ')}`)
  const color = colors[version]
  serveJson(`reviews-${version}`, port, {
    reviews: async id => ({
      id,
      version,
      reviews: [
        { reviewer: 'Reviewer1', text: 'An extremely entertaining play.' },
        { reviewer: 'Reviewer2', text: 'Absolutely fun and entertaining.' }
      ],
      ...(color === undefined ? {} : { color, ratings: await getJson(`${ratings}/ratings/${id}`) })
    }),
    health: () => ({ status: `reviews ${version} is well` })
  })
}
