import { getJson, serveJson } from './http.ts'

export function startGateway({ port, productpage }: { port: number; productpage: string }): void {
  serveJson('gateway', port, {
    productpage: id => getJson(`${productpage}/productpage/${id || '0'}`),
    health: () => ({ status: 'gateway is well' })
  })
}
