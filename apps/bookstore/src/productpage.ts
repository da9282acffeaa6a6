import { getJson, serveJson } from './http.ts'

/** One half may fail without the other: a page without its details is still a page. */
export function startProductpage({ port, details, reviews }: { port: number; details: string; reviews: string }): void {
  const part = (url: string): Promise<unknown> => getJson(url).catch((error: Error) => ({ error: error.message }))
  serveJson('productpage', port, {
    productpage: async id => {
      const [book, opinions] = await Promise.all([part(`${details}/details/${id}`), part(`${reviews}/reviews/${id}`)])
      return { title: 'The Comedy of Errors', details: book, reviews: opinions }
    },
    health: () => ({ status: 'productpage is well' })
  })
}
