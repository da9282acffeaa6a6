import { serveJson } from './http.ts'
import { StoreClient } from './store-client.ts'

export function startRatings({ port, store }: { port: number; store: { host: string; port: number } }): void {
  const client = new StoreClient(store)
  serveJson('ratings', port, {
    ratings: id => client.get(`ratings/${id}`),
    health: () => ({ status: 'ratings is well' })
  })
}
